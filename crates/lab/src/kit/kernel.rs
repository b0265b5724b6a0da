//! What the kernel knows of a socket, also of one that no program holds: a connection that nobody has accepted, the
//! other end of one.

use std::net::SocketAddr;

use echoctl_observe::TcpState;

use super::LessonError;

/// One end of a connection, as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketState {
    /// Its state.
    pub state: TcpState,
    /// Bytes that have arrived and were not read.
    pub receive_queue: u64,
    /// The number of the file behind the socket; 0 when there is none, since no program holds it.
    pub inode: u32,
}

/// The end of a connection that has the address `local`, or `None` where there is no such connection.
///
/// # Errors
/// [`LessonError::NotVisible`] where the system shows no socket but one's own: everywhere but on Linux.
#[cfg(target_os = "linux")]
pub fn socket_state(local: SocketAddr, remote: SocketAddr) -> Result<Option<SocketState>, LessonError> {
    let found = echoctl_observe::SocketDiag::open()?.find(local, remote)?;
    Ok(found.map(|found| SocketState {
        state: found.state,
        receive_queue: found.unread(),
        inode: found.inode,
    }))
}

/// The end of a connection that has the address `local`: not visible on this system.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn socket_state(_: SocketAddr, _: SocketAddr) -> Result<Option<SocketState>, LessonError> {
    Err(LessonError::NotVisible("sockets that this program does not hold".to_owned()))
}
