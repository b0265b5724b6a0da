//! One connection of this process over a Unix-domain socket: its two ends, and the six counters between them.
//!
//! Nothing is in flight: a write puts its bytes into the receive queue of the peer. So the counters are exact. The server has
//! received what was produced, and has read that without what is in its receive queue; it has written what was consumed and what
//! is in the client's receive queue. Until the server accepts the connection, its end belongs to no process, which has read nothing.

use super::counters::{Counters, Seen, ServerSeen, combine};
use super::{OwnSocket, ServerClose};
use crate::process::own_socket_inode;
use crate::{AsHandle, SocketTables, UnixSocket, receive_queue};

/// A connection over a Unix-domain socket, as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixConnection {
    /// Its counters.
    pub counters: Counters,
    /// The client's end; `None` if it is not visible.
    pub client: Option<UnixSocket>,
    /// The server's end; `None` if it is not accepted, closed, or not visible.
    pub server: Option<UnixSocket>,
    /// The inode of the client's end; `None` on a system that does not show it.
    inode: Option<u32>,
    closed: Option<ServerClose>,
}

impl UnixConnection {
    /// A connection that has not been read yet, with this socket at the client's end.
    pub fn new(socket: &dyn AsHandle) -> UnixConnection {
        UnixConnection {
            counters: Counters::default(),
            client: None,
            server: None,
            inode: own_socket_inode(socket),
            closed: None,
        }
    }

    /// Reads both ends, from the last counter to the first, as [`Connection`](crate::Connection) does. Without `tables`, the server's
    /// end is not visible.
    pub fn refresh(&mut self, own: OwnSocket<'_>, mut tables: Option<&mut SocketTables>) {
        let mut find = |inode| tables.as_mut().and_then(|tables| tables.find_unix(inode));
        let before = (own.counts)();
        let unread = receive_queue(own.socket).ok();
        self.client = self.inode.and_then(&mut find);
        self.server = self.client.as_ref().map(|client| client.peer).and_then(find);
        let after = (own.counts)();
        self.closed = self.closed.or_else(|| self.close_seen(own.socket));
        let (produced, consumed) = before;
        let client_received = unread.map(|unread| consumed + unread);
        let seen = Seen {
            produced: Some(after.0),
            consumed: Some(consumed),
            acknowledged: Some(produced),
            client_received,
            server: self.unread_by_server(produced).map(|unread| ServerSeen {
                received: Some(produced),
                unread,
                acknowledged: client_received,
                unacknowledged: 0,
            }),
            skew: after.0.saturating_sub(produced) + after.1.saturating_sub(consumed),
        };
        self.counters = combine(&self.counters, &seen);
        self.counters.server_written = self.counters.client_received;
    }

    /// The inode of the client's end, which the server's end names as its peer.
    pub fn inode(&self) -> Option<u32> {
        self.inode
    }

    /// How the server has closed it; `None` if it has not, or if that is not visible. A reset is visible once: reading it here
    /// hides it from the next call on the socket.
    pub fn closed_by_server(&self) -> Option<ServerClose> {
        self.closed
    }

    /// Whether the server can write at once; `None`: its end is not accepted, closed, or not visible.
    pub fn is_server_writable(&self) -> Option<bool> {
        self.server.as_ref()?.is_writable()
    }

    /// Kernel memory of both ends, as far as it is visible.
    pub fn kernel_memory(&self) -> Option<u64> {
        let ends = [&self.client, &self.server].into_iter().flatten();
        ends.filter_map(|end| Some(end.memory?.total())).reduce(|one, other| one + other)
    }

    /// Bytes in the receive queue of the server's end, if `produced` were sent. `None`: closed, or never visible.
    fn unread_by_server(&self, produced: u64) -> Option<u64> {
        match (&self.client, &self.server) {
            (_, Some(server)) => Some(server.unread),
            _ if self.closed.is_some() => None,
            (Some(client), None) if client.peer == 0 => Some(produced),
            // What it had read when it was visible, it has read.
            _ => Some(produced.saturating_sub(self.counters.server_read?)),
        }
    }

    /// How the server has closed it since the last call. It resets a connection that it closes without having read everything.
    fn close_seen(&self, socket: &dyn AsHandle) -> Option<ServerClose> {
        if socket2::SockRef::from(&socket).take_error().ok().flatten().is_some() {
            return Some(ServerClose::Gone);
        }
        self.client.as_ref()?.peer_has_ended.then_some(ServerClose::Fin)
    }
}
