//! Looks up a socket in the kernel, including those without a file descriptor in this process: a connection not yet accepted,
//! or the peer's end of a connection.

use std::net::SocketAddr;

use echoctl_observe::TcpState;

use super::LessonError;

/// One end of a connection in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketState {
    /// Its state.
    pub state: TcpState,
    /// Bytes that have arrived and have not been read.
    pub receive_queue: u64,
    /// Bytes that were written and have not been acknowledged.
    pub send_queue: u64,
    /// The socket's inode; 0 if no process has a descriptor for it.
    pub inode: u32,
}

/// The end of a connection with the address `local`, or `None` if there is no such connection.
///
/// # Errors
/// [`LessonError::NotVisible`] if the system shows only the sockets of this process: everywhere except on Linux.
pub fn socket_state(local: SocketAddr, remote: SocketAddr) -> Result<Option<SocketState>, LessonError> {
    let found = echoctl_observe::SocketDiag::open()?.find(local, remote)?;
    Ok(found.map(|found| SocketState {
        state: found.state,
        receive_queue: found.unread(),
        send_queue: found.unacknowledged(),
        inode: found.inode,
    }))
}
