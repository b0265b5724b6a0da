//! Where a server listens: an address of TCP, or a Unix-domain socket.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerAddr {
    /// An address of TCP.
    Tcp(SocketAddr),
    /// The path of a Unix-domain socket. One that begins with a zero byte is an abstract name, which is not in the file system.
    Unix(PathBuf),
}

impl ServerAddr {
    /// The Unix-domain socket that a user names: a path, or `@name` for an abstract name. (`./@name` is a path.)
    pub fn unix(name: &Path) -> ServerAddr {
        let bytes = name.as_os_str().as_encoded_bytes();
        let abstract_name = bytes.strip_prefix(b"@").and_then(|name| std::str::from_utf8(name).ok());
        ServerAddr::Unix(match abstract_name {
            Some(name) => OsString::from(format!("\0{name}")).into(),
            None => name.to_owned(),
        })
    }

    /// The same address, with the path of a socket from the root on.
    pub fn absolute(&self) -> ServerAddr {
        match self {
            ServerAddr::Unix(path) if !path.as_os_str().as_encoded_bytes().starts_with(&[0]) => {
                ServerAddr::Unix(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            other => other.clone(),
        }
    }

    /// The address, if it is one of TCP.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            ServerAddr::Tcp(addr) => Some(*addr),
            ServerAddr::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for ServerAddr {
    fn from(addr: SocketAddr) -> ServerAddr {
        ServerAddr::Tcp(addr)
    }
}

/// `127.0.0.1:80`, `unix:/run/x.sock`, `unix:@abstract`
impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddr::Tcp(addr) => addr.fmt(f),
            ServerAddr::Unix(path) => write!(f, "unix:{}", path.to_string_lossy().replace('\0', "@")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_it_is_given() {
        let unix = |name: &str| ServerAddr::unix(Path::new(name));

        assert_eq!(ServerAddr::from(SocketAddr::from(([127, 0, 0, 1], 80))).to_string(), "127.0.0.1:80");
        assert_eq!(unix("/run/x.sock").to_string(), "unix:/run/x.sock");
        assert_eq!(unix("@x"), ServerAddr::Unix("\0x".into()));
        assert_eq!(unix("@x").to_string(), "unix:@x");
        assert_eq!(unix("./@x"), ServerAddr::Unix("./@x".into()));
    }
}
