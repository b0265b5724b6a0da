//! The connections of a server on a Unix-domain socket, seen from outside: what waits in their queues.
//!
//! The kernel counts no bytes of such a connection, so without its client's help only the queues are known, and not how much was
//! transmitted.

use std::collections::BTreeMap;

use super::socket::at_path;
use crate::{Error, ServerAddr, SocketTables, UnixSocket};

/// The queues of one connection over a Unix-domain socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixQueues {
    /// The inode of the client's socket, which [`holders`](crate::holders) leads to its process.
    pub client: u32,
    /// The inode of the server's socket; `None`: it waits for accept.
    pub server: Option<u32>,
    /// Bytes that the server has not read; `None`: it waits for accept, and what was sent by then is not visible.
    pub unread_by_server: Option<u64>,
    /// Bytes that the client has not read; `None`: it is not visible, for example because it is in another network namespace.
    pub unread_by_client: Option<u64>,
    /// Kernel memory of both queues.
    pub kernel_memory: u64,
    /// Whether the server can write at once.
    pub is_server_writable: Option<bool>,
}

impl UnixQueues {
    /// All connections to the Unix-domain sockets among `addrs`, with those that wait for accept. Walks all Unix-domain sockets of
    /// the host.
    ///
    /// # Errors
    /// If the kernel refuses the request; a kernel may have no unix_diag.
    pub fn all(tables: &mut SocketTables, addrs: &[ServerAddr]) -> Result<Vec<UnixQueues>, Error> {
        let (listening, connected) = tables.unix()?;
        let paths = addrs.iter().filter_map(|addr| match addr {
            ServerAddr::Unix(path) => Some(path),
            ServerAddr::Tcp(_) => None,
        });
        let servers: Vec<UnixSocket> = paths.flat_map(|path| at_path(listening.clone(), path)).collect();
        Ok(UnixQueues::among(&connected, &servers))
    }

    /// The connections of `servers`, which listen, among all that are connected.
    fn among(connected: &[UnixSocket], servers: &[UnixSocket]) -> Vec<UnixQueues> {
        let by_inode: BTreeMap<u32, &UnixSocket> =
            connected.iter().map(|socket| (socket.inode, socket)).collect();
        // What a server accepts has the address of the socket that listens, and its file.
        let is_accepted = |end: &&UnixSocket| {
            end.peer != 0 && servers.iter().any(|server| (&end.name, end.file) == (&server.name, server.file))
        };
        let accepted = connected.iter().filter(is_accepted).map(|end| {
            let client = by_inode.get(&end.peer);
            UnixQueues {
                client: end.peer,
                server: Some(end.inode),
                unread_by_server: Some(end.unread),
                unread_by_client: client.map(|client| client.unread),
                kernel_memory: end.unread_by_peer + client.map_or(0, |client| client.unread_by_peer),
                is_server_writable: end.is_writable(),
            }
        });
        let waiting = servers.iter().flat_map(|server| &server.waiting).map(|inode| {
            let client = by_inode.get(inode);
            UnixQueues {
                client: *inode,
                server: None,
                unread_by_server: None,
                unread_by_client: client.map(|client| client.unread),
                kernel_memory: client.map_or(0, |client| client.queued()),
                is_server_writable: None,
            }
        });
        accepted.chain(waiting).collect()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn the_queues_of_each_connection_are_seen_from_outside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let connect = || UnixStream::connect(&path).unwrap();
        let mut tables = SocketTables::of([]);
        let addrs = [ServerAddr::Unix(path.clone())];
        let mut all = || UnixQueues::all(&mut tables, &addrs).unwrap();
        assert_eq!(all(), []);

        let mut client = connect();
        let (mut server, _) = listener.accept().unwrap();
        let mut waiting = connect();
        client.write_all(&[1; 3000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        server.write_all(&[1; 700]).unwrap();
        waiting.write_all(&[1; 50]).unwrap();

        let [one, other] = all()[..] else { panic!("not two connections") };
        assert_eq!((one.unread_by_server, one.unread_by_client), (Some(2000), Some(700)));
        assert!(one.server.is_some() && one.kernel_memory >= 2700 && one.is_server_writable == Some(true));
        assert_eq!((other.server, other.unread_by_server, other.unread_by_client), (None, None, Some(0)));
        assert!(other.kernel_memory >= 50);
        assert!(crate::holders(&[one.client].into()).any(|(pid, _)| pid == std::process::id()));
        drop((client, server, waiting, listener));
        // A child of another test has them open until it runs its program.
        echoctl_testkit::eventually("all are closed", || all().is_empty());
    }
}
