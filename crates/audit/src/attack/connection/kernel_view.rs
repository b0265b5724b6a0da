//! What the kernel reports about both ends of a connection, over TCP or a Unix-domain socket.

use echoctl_observe::{Connection, Counters, OwnSocket, ServerClose, SocketTables, UnixConnection};

/// A connection as last read.
#[derive(Debug)]
pub(super) enum KernelView {
    Tcp(Box<Connection>),
    Unix(Box<UnixConnection>),
}

impl KernelView {
    /// Reads both ends. Without `tables`, only our own is visible.
    pub(super) fn refresh(&mut self, own: OwnSocket<'_>, tables: Option<&mut SocketTables>) {
        match self {
            KernelView::Tcp(connection) => connection.refresh(Some(own), tables),
            KernelView::Unix(connection) => connection.refresh(own, tables),
        }
    }

    /// The counters of the bytes between both ends.
    pub(super) fn counters(&self) -> Counters {
        match self {
            KernelView::Tcp(connection) => connection.counters,
            KernelView::Unix(connection) => connection.counters,
        }
    }

    /// How the server has closed the connection, if it has.
    pub(super) fn closed_by_server(&self) -> Option<ServerClose> {
        match self {
            KernelView::Tcp(connection) => connection.closed_by_server(),
            KernelView::Unix(connection) => connection.closed_by_server(),
        }
    }

    /// The receive window that the server advertised last; a Unix-domain socket has none.
    pub(super) fn window(&self) -> Option<u32> {
        match self {
            KernelView::Tcp(connection) => connection.window(),
            KernelView::Unix(_) => None,
        }
    }

    /// The receive window that our end advertised last, beyond which the server may send nothing; a Unix-domain socket has none.
    pub(super) fn own_window(&self) -> Option<u32> {
        match self {
            KernelView::Tcp(connection) => {
                let at_server = connection.server.and_then(|server| server.info.snd_wnd);
                at_server.or_else(|| connection.client?.info.rcv_wnd)
            }
            KernelView::Unix(_) => None,
        }
    }

    /// Kernel memory of both ends, as far as it is visible.
    pub(super) fn kernel_memory(&self) -> Option<u64> {
        match self {
            KernelView::Tcp(connection) => connection.kernel_memory(),
            KernelView::Unix(connection) => connection.kernel_memory(),
        }
    }

    /// Whether the kernel accepts more output from the server; `None` if that is not visible.
    pub(super) fn is_server_writable(&self) -> Option<bool> {
        match self {
            KernelView::Tcp(connection) => Some(connection.server?.memory?.is_writable()),
            KernelView::Unix(connection) => connection.is_server_writable(),
        }
    }

    /// The port of TCP at the server's end, if that was ever visible: another one than we connected to, if it is translated.
    pub(super) fn server_port(&self) -> Option<u16> {
        match self {
            KernelView::Tcp(connection) => connection.server_addrs.map(|(local, _)| local.port()),
            KernelView::Unix(_) => None,
        }
    }
}
