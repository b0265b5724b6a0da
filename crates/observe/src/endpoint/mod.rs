//! One endpoint of a TCP connection: its state, counters, queues and kernel memory.
//!
//! This process's own sockets are read through their file descriptors, all others through sock_diag.

#[cfg(test)]
mod captured;
mod diag;
pub(crate) mod number;
mod queues;
mod socket_memory;
mod tcp_info;
mod tcp_state;

#[cfg(any(test, fuzzing))]
pub use diag::check_messages;
pub(crate) use diag::{PortFilter, V4, covers};
pub use diag::{SocketDiag, SocketEntry, SocketFile, Timer, UnixKind, UnixSocket};
pub use queues::{AsHandle, receive_queue, send_queue};
pub use socket_memory::SocketMemory;
pub use tcp_info::{Side, TcpInfo};
pub use tcp_state::TcpState;

/// One endpoint of a connection, as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Its TCP counters.
    pub info: TcpInfo,
    /// Its kernel memory, and the limits of its queues.
    pub memory: Option<SocketMemory>,
    /// The running timer; `None` for this process's own endpoint, whose timer is not queried.
    pub timer: Option<Timer>,
}

impl Endpoint {
    /// An endpoint owned by this process; `None` if the system shows nothing about it.
    pub(crate) fn own(socket: &dyn AsHandle) -> Option<Endpoint> {
        let info = TcpInfo::of(socket).ok()?;
        Some(Endpoint { info, memory: SocketMemory::of(socket).ok(), timer: None })
    }

    /// The endpoint that sock_diag found; `None` for the remains of a closed one (TIME-WAIT), which has no counters.
    pub(crate) fn of(entry: &SocketEntry) -> Option<Endpoint> {
        Some(Endpoint { info: entry.info?, memory: entry.memory, timer: entry.timer })
    }
}
