//! Listening sockets of this host, of TCP and of the Unix domain, and which of them accept connections to an address.

use crate::{Error, ServerAddr, SocketDiag, SocketEntry};

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningSocket {
    /// Where it listens.
    pub addr: ServerAddr,
    /// The user id of its owner; `None` if the kernel does not show it.
    pub uid: Option<u32>,
    /// The inode by which `/proc/PID/fd` identifies it.
    pub inode: u32,
}

impl From<&SocketEntry> for ListeningSocket {
    fn from(entry: &SocketEntry) -> ListeningSocket {
        ListeningSocket { addr: entry.local.into(), uid: Some(entry.uid), inode: entry.inode }
    }
}

/// All sockets that could accept a connection to `addr`. For TCP, wildcards count and so do sockets that share the port.
///
/// # Errors
/// If the kernel refuses the request.
pub fn accepting(diag: &mut SocketDiag, addr: &ServerAddr) -> Result<Vec<ListeningSocket>, Error> {
    match addr {
        ServerAddr::Tcp(addr) => {
            let all = diag.listening()?;
            Ok(all.iter().filter(|socket| socket.covers(*addr)).map(ListeningSocket::from).collect())
        }
        ServerAddr::Unix(_) => Err(Error::NotVisible { what: "the socket at a path" }),
    }
}
