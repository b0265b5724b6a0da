//! How a command learns where its server listens: by a variable, and in place of a word in its arguments.

use std::ffi::{OsStr, OsString};

use echoctl_observe::ServerAddr;

/// What a command is given of an address: `$PORT` and `{port}`, or `$SOCKET` and `{socket}`.
#[derive(Debug)]
pub(super) struct Assigned {
    variable: &'static str,
    placeholder: &'static str,
    value: OsString,
}

impl Assigned {
    pub(super) fn of(addr: &ServerAddr) -> Assigned {
        match addr {
            ServerAddr::Tcp(addr) => {
                Assigned { variable: "PORT", placeholder: "{port}", value: addr.port().to_string().into() }
            }
            ServerAddr::Unix(path) => {
                let is_abstract = path.as_os_str().as_encoded_bytes().starts_with(&[0]);
                // No variable may contain the zero byte; programs that know abstract names write `@`.
                let value =
                    if is_abstract { addr.to_string().replacen("unix:", "", 1).into() } else { path.into() };
                Assigned { variable: "SOCKET", placeholder: "{socket}", value }
            }
        }
    }

    /// The variable, with its value.
    pub(super) fn environment(&self) -> (&str, &OsStr) {
        (self.variable, &self.value)
    }

    /// An argument, with its placeholders replaced. One that is not text has none.
    pub(super) fn fill_in(&self, word: &OsStr) -> OsString {
        let Some(text) = word.to_str() else { return word.to_owned() };
        let mut parts = text.split(self.placeholder);
        let mut filled = OsString::from(parts.next().unwrap_or_default());
        for part in parts {
            filled.push(&self.value);
            filled.push(part);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_command_gets_its_port_or_its_path() {
        let port = Assigned::of(&SocketAddr::from(([127, 0, 0, 1], 80)).into());
        let path = Assigned::of(&ServerAddr::Unix("/run/x".into()));
        let name = Assigned::of(&ServerAddr::unix(Path::new("@x")));

        assert_eq!(port.environment(), ("PORT", OsStr::new("80")));
        assert_eq!(path.environment(), ("SOCKET", OsStr::new("/run/x")));
        assert_eq!(name.environment(), ("SOCKET", OsStr::new("@x")));
        assert_eq!(port.fill_in(OsStr::new("a={port},{port}{socket}")), "a=80,80{socket}");
        assert_eq!(path.fill_in(OsStr::new("unix:{socket}:{port}")), "unix:/run/x:{port}");
    }
}
