//! How a command learns where its server listens: by variables, and in place of words in its arguments.

use std::ffi::{OsStr, OsString};

use echoctl_observe::ServerAddr;

/// What a command is given of an address: `$PORT` and `{port}`, and for a Unix-domain socket `$SOCKET` and `{socket}`.
#[derive(Debug)]
pub(super) struct Assigned {
    port: String,
    path: Option<OsString>,
}

impl Assigned {
    /// For a server at `addr`. One on a Unix-domain socket gets `free_port` beside it: many programs want a port in any case, and some
    /// put an upstream there.
    pub(super) fn of(addr: &ServerAddr, free_port: u16) -> Assigned {
        let path = match addr {
            ServerAddr::Tcp(_) => None,
            // No variable may contain the zero byte of an abstract name; programs that know such names write `@`.
            ServerAddr::Unix(path) if path.as_os_str().as_encoded_bytes().starts_with(&[0]) => {
                Some(addr.to_string().replacen("unix:", "", 1).into())
            }
            ServerAddr::Unix(path) => Some(path.into()),
        };
        Assigned { port: addr.tcp().map_or(free_port, |addr| addr.port()).to_string(), path }
    }

    /// The variables, with their values.
    pub(super) fn environment(&self) -> Vec<(&'static str, &OsStr)> {
        let socket = self.path.iter().map(|path| ("SOCKET", path.as_os_str()));
        [("PORT", OsStr::new(&self.port))].into_iter().chain(socket).collect()
    }

    /// An argument, with its placeholders replaced. One that is not text has none.
    pub(super) fn fill_in(&self, word: &OsStr) -> OsString {
        let Some(text) = word.to_str() else { return word.to_owned() };
        let text = text.replace("{port}", &self.port);
        let Some(path) = &self.path else { return text.into() };
        let mut parts = text.split("{socket}");
        let mut filled = OsString::from(parts.next().unwrap_or_default());
        for part in parts {
            filled.push(path);
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
    fn a_command_gets_its_port_and_its_path() {
        let port = Assigned::of(&SocketAddr::from(([127, 0, 0, 1], 80)).into(), 9);
        let path = Assigned::of(&ServerAddr::Unix("/run/x".into()), 9);
        let name = Assigned::of(&ServerAddr::unix(Path::new("@x")), 9);

        assert_eq!(port.environment(), [("PORT", OsStr::new("80"))]);
        assert_eq!(path.environment(), [("PORT", OsStr::new("9")), ("SOCKET", OsStr::new("/run/x"))]);
        assert_eq!(name.environment()[1], ("SOCKET", OsStr::new("@x")));
        assert_eq!(port.fill_in(OsStr::new("a={port},{port}{socket}")), "a=80,80{socket}");
        assert_eq!(path.fill_in(OsStr::new("unix:{socket}:{port}")), "unix:/run/x:9");
    }
}
