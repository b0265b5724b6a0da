//! One connection of a client over a Unix-domain socket: both its ends, looked up by inode.
//!
//! The kernel counts no bytes of such a socket, only what is in its two queues. What the client has read is taken to be what it has
//! printed, which is exact for a client that prints what it receives.

use echoctl_observe::{Counters, SocketDiag, UnixSocket};

/// Both ends of a connection, as last read.
#[derive(Debug)]
pub(super) struct UnixEnds {
    pub(super) client_inode: u32,
    server_inode: u32,
    client: Option<UnixSocket>,
    server: Option<UnixSocket>,
    pub(super) counters: Counters,
    pub(super) is_closed: bool,
}

impl UnixEnds {
    /// Not read yet, with these inodes.
    pub(super) fn new(client_inode: u32, server_inode: u32) -> UnixEnds {
        UnixEnds {
            client_inode,
            server_inode,
            client: None,
            server: None,
            counters: Counters::default(),
            is_closed: false,
        }
    }

    /// Reads both ends. The client has read `consumed` bytes so far.
    pub(super) fn refresh(&mut self, diag: &mut SocketDiag, consumed: u64) {
        let mut find = |inode| diag.find_unix(inode).ok().flatten();
        self.client = find(self.client_inode);
        self.server = find(self.server_inode);
        self.is_closed |= self.client.as_ref().is_none_or(|client| client.peer_has_ended);
        let unread = |end: &Option<UnixSocket>| end.as_ref().map_or(0, |end| end.unread);
        // What the client reads and does not print yet is in neither: a counter never falls.
        let received = self.counters.client_received.max(Some(consumed + unread(&self.client)));
        self.counters = Counters {
            produced: unread(&self.server),
            server_received: Some(unread(&self.server)),
            server_read: Some(0),
            server_written: received,
            client_received: received,
            consumed,
            skew: 0,
        };
    }

    /// Whether the server can write at once; `None` if its end is not visible.
    pub(super) fn is_server_writable(&self) -> Option<bool> {
        self.server.as_ref()?.is_writable()
    }

    /// Kernel memory of both ends.
    pub(super) fn kernel_memory(&self) -> Option<u64> {
        let ends = [&self.client, &self.server].into_iter().flatten();
        ends.filter_map(|end| Some(end.memory?.total())).reduce(|one, other| one + other)
    }
}
