//! Listening sockets of this host, of TCP and of the Unix domain, and which of them accept connections to an address.
//!
//! A Unix-domain socket is found by the file at the path and not by the name that its server gave it, which may be relative, or
//! that of a file which another server has replaced.

use std::path::Path;

use crate::{Error, ServerAddr, SocketDiag, SocketEntry, SocketFile, UnixSocket};

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
        ServerAddr::Unix(path) => {
            let found = at_path(diag.unix_listening()?, path);
            let listening = |socket: &UnixSocket| ListeningSocket {
                addr: addr.clone(),
                uid: socket.uid,
                inode: socket.inode,
            };
            Ok(found.iter().map(listening).collect())
        }
    }
}

/// Those of `all` that have this abstract name, or whose file is at this path.
pub(crate) fn at_path(mut all: Vec<UnixSocket>, path: &Path) -> Vec<UnixSocket> {
    let has_name = |socket: &UnixSocket| socket.name.as_deref() == Some(path);
    if path.as_os_str().as_encoded_bytes().starts_with(&[0]) {
        all.retain(has_name);
        return all;
    }
    let Some(file) = SocketFile::at(path) else { return Vec::new() };
    let is_there = |socket: &UnixSocket| socket.file == Some(file);
    if all.iter().any(is_there) {
        all.retain(is_there);
    } else {
        // Some file systems (btrfs, overlayfs) report another device, or another inode, than the kernel has for the socket.
        let whole = path.canonicalize().ok();
        all.retain(|socket| has_name(socket) || (whole.is_some() && socket.name == whole));
    }
    all
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_name_counts_only_if_no_socket_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let file = SocketFile::at(&path);
        let named = UnixSocket { inode: 1, name: Some(path.clone()), ..UnixSocket::default() };
        let relative = UnixSocket { inode: 2, name: Some("socket".into()), file, ..UnixSocket::default() };
        let other = UnixSocket { inode: 3, ..UnixSocket::default() };
        let found = |all: &[&UnixSocket], path: &Path| -> Vec<u32> {
            let all = all.iter().copied().cloned().collect();
            at_path(all, path).iter().map(|socket| socket.inode).collect()
        };

        assert_eq!(found(&[&named, &relative, &other], &path), [2]);
        assert_eq!(found(&[&named, &other], &path), [1]);
        assert_eq!(
            found(
                &[&named, &other],
                &folder.path().join("../").join(folder.path().file_name().unwrap()).join("socket")
            ),
            [1]
        );
        assert_eq!(found(&[&named], &folder.path().join("missing")), [0; 0]);
    }
}
