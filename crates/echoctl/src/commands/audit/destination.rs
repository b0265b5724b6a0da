//! Where the server is: an address, a URL or a Unix socket, as given on the command line.

use std::net::IpAddr;
use std::path::Path;

use echoctl_audit::Transport;
use echoctl_observe::ServerAddr;

use super::start::Start;
use super::url::{Scheme, Url};
use crate::address;
use crate::exit::Failure;

/// Where the server is, or where it will listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// `host:port`, `:port` or a port.
    Address(String),
    /// A free port of loopback.
    FreePort,
    Url(Url),
    /// A Unix socket at this path.
    Unix(ServerAddr),
    /// A Unix socket in a folder of its own.
    FreshUnix,
}

impl Destination {
    /// What was given, or the default.
    ///
    /// # Errors
    /// Exit 2 if it is neither an address nor a URL that is supported.
    pub(super) fn parse(given: Option<&str>, start: Start) -> Result<Destination, Failure> {
        let Some(text) = given else {
            return Ok(match start {
                Start::Running => Destination::Address(address::DEFAULT.to_owned()),
                Start::ByCommand => Destination::FreePort,
            });
        };
        let invalid = |why: &str| Failure::usage(format_args!("invalid address '{text}': {why}"));
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/x.sock` is the same socket.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            return match (path.is_empty(), start) {
                (false, _) => Ok(Destination::Unix(ServerAddr::unix(Path::new(path)))),
                (true, Start::ByCommand) => Ok(Destination::FreshUnix),
                (true, Start::Running) => Err(invalid("expected unix:PATH")),
            };
        }
        if text.starts_with('/') {
            return Err(invalid("expected host:port; a Unix socket is written unix:/path"));
        }
        if !Url::is_meant(text) {
            return Ok(Destination::Address(text.to_owned()));
        }
        if Url::has_user(text) {
            // Not repeated: it may have a password.
            return Err(Failure::usage("user names and passwords in URLs are not supported")
                .hint("send them with --header 'Authorization: …', or in a script"));
        }
        let url = Url::parse(text).map_err(|why| invalid(&why))?;
        match start {
            Start::Running if url.has_port_of_command() => {
                Err(invalid("{port} is the port of a command").hint("give the command after --"))
            }
            Start::Running if url.addr().is_none() => Err(invalid("expected a port after the host")),
            Start::ByCommand if url.written_addr().is_none() && !names_this_host(&url) => {
                Err(invalid("a command is started on this host: use localhost, or a name for its requests"))
            }
            _ => Ok(Destination::Url(url)),
        }
    }

    /// What carries the bytes; `None` if the script may choose.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self {
            Destination::Address(_) | Destination::FreePort => None,
            Destination::Url(url) if url.scheme.is_tls() => Some(Transport::Tls),
            Destination::Url(_) => Some(Transport::Tcp),
            Destination::Unix(_) | Destination::FreshUnix => Some(Transport::Unix),
        }
    }

    /// The scheme of a URL.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        match self {
            Destination::Url(url) => Some(url.scheme),
            _ => None,
        }
    }

    /// The path of a URL; empty if there is none.
    pub(super) fn path(&self) -> &str {
        match self {
            Destination::Url(url) => &url.path,
            _ => "",
        }
    }

    /// As it is written, if it is an address of TCP.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Destination::Address(addr) => Some(addr),
            Destination::Url(url) => Some(&url.text),
            Destination::FreePort | Destination::Unix(_) | Destination::FreshUnix => None,
        }
    }

    /// The same server at a URL; `None` for a Unix socket, which has none.
    pub(super) fn as_url(&self, scheme: Scheme, path: &str, start: Start) -> Option<String> {
        Some(format!("{scheme}://{}{path}", self.authority(start)?))
    }

    /// `host:port` as it is written in a URL.
    pub(super) fn written_addr(&self) -> Option<String> {
        match self {
            Destination::Url(url) => url.written_addr(),
            _ => None,
        }
    }

    /// `host:port` of the same server in another URL.
    fn authority(&self, start: Start) -> Option<String> {
        match self {
            Destination::Address(_) => Some(self.host(None)),
            Destination::FreePort => Some("localhost:{port}".to_owned()),
            Destination::Url(url) => Some(url.same_authority(start)),
            Destination::Unix(_) | Destination::FreshUnix => None,
        }
    }

    /// `host:port` if it has one. A command may listen anywhere else.
    pub(super) fn addr(&self, start: Start) -> Option<String> {
        match (self, start) {
            (Destination::Address(addr), _) => Some(addr.clone()),
            (Destination::Url(url), Start::Running) => url.addr(),
            (Destination::Url(url), Start::ByCommand) => url.written_addr(),
            (Destination::FreePort | Destination::Unix(_) | Destination::FreshUnix, _) => None,
        }
    }

    /// The host that requests name, for a server at this port if that is known.
    pub(super) fn host(&self, port: Option<u16>) -> String {
        let on_this_host = |port: &str| format!("localhost:{port}");
        match self {
            Destination::Address(addr) => {
                let digits = addr.strip_prefix(':').unwrap_or(addr);
                let is_port = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                if is_port { on_this_host(digits) } else { addr.clone() }
            }
            Destination::Url(url) => url.authority(port),
            Destination::FreePort if port.is_some() => on_this_host(&port.unwrap_or_default().to_string()),
            Destination::FreePort | Destination::Unix(_) | Destination::FreshUnix => "localhost".to_owned(),
        }
    }

    /// The name of the server in TLS.
    pub(super) fn server_name(&self) -> String {
        match self {
            Destination::Url(url) => url.host_name().to_owned(),
            _ => {
                let host = self.host(None);
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
                name.trim_start_matches('[').trim_end_matches(']').to_owned()
            }
        }
    }
}

/// Whether a URL may be one of a command: an address elsewhere is a mistake, while a name may be one for requests.
fn names_this_host(url: &Url) -> bool {
    url.host_name().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || url.host_name().parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(text: &str) -> Destination {
        Destination::parse(Some(text), Start::Running).unwrap()
    }

    fn of_command(text: &str) -> Destination {
        Destination::parse(Some(text), Start::ByCommand).unwrap()
    }

    fn error(text: &str, start: Start) -> String {
        Destination::parse(Some(text), start).unwrap_err().to_string()
    }

    #[test]
    fn a_port_names_this_host_in_requests() {
        for (addr, expected, name) in [
            ("8080", "localhost:8080", "localhost"),
            (":8080", "localhost:8080", "localhost"),
            ("example.test:80", "example.test:80", "example.test"),
            ("[::1]:80", "[::1]:80", "::1"),
            ("https://[::1]:80/x", "[::1]:80", "::1"),
            ("https://h", "h", "h"),
            ("unix:/run/x", "localhost", "localhost"),
        ] {
            assert_eq!(
                (running(addr).host(None).as_str(), running(addr).server_name().as_str()),
                (expected, name)
            );
        }
        assert_eq!(Destination::FreePort.host(Some(7)), "localhost:7");
    }

    #[test]
    fn what_carries_the_bytes_follows_from_the_scheme() {
        for (text, transport, addr) in [
            ("localhost:7", None, Some("localhost:7")),
            ("http://localhost", Some(Transport::Tcp), Some("localhost:80")),
            ("wss://localhost", Some(Transport::Tls), Some("localhost:443")),
            ("redis://localhost/k", Some(Transport::Tcp), Some("localhost:6379")),
            ("unix:/run/x", Some(Transport::Unix), None),
        ] {
            let destination = running(text);
            assert_eq!(
                (destination.transport(), destination.addr(Start::Running).as_deref()),
                (transport, addr)
            );
        }
    }

    #[test]
    fn a_unix_socket_has_a_path_or_gets_one() {
        let socket = Destination::Unix(ServerAddr::unix(Path::new("/run/x")));
        assert_eq!((running("unix:/run/x"), running("unix:///run/x")), (socket.clone(), socket));
        assert_eq!(of_command("unix:"), Destination::FreshUnix);
        assert!(error("unix:", Start::Running).contains("expected unix:PATH"));
        assert!(error("/run/x", Start::Running).contains("unix:/path"));
    }

    #[test]
    fn a_command_gets_the_port_of_a_url_or_a_free_one() {
        for (text, addr) in [
            ("https://localhost:{port}/x", None),
            ("https://localhost/x", None),
            ("https://localhost:8443/x", Some("localhost:8443")),
            ("https://shop.test/x", None),
        ] {
            assert_eq!(of_command(text).addr(Start::ByCommand).as_deref(), addr, "{text}");
        }
        assert!(error("http://192.0.2.1/", Start::ByCommand).contains("started on this host"));
        assert!(
            error("http://localhost:{port}/", Start::Running).contains("hint: give the command after --")
        );
        assert!(error("tls://localhost", Start::Running).contains("expected a port"));
    }

    #[test]
    fn without_an_address_there_is_a_default() {
        let default = |start| Destination::parse(None, start).unwrap();

        assert_eq!(default(Start::ByCommand), Destination::FreePort);
        assert_eq!(default(Start::Running), Destination::Address(address::DEFAULT.to_owned()));
    }
}
