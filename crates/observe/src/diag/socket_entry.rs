//! What the kernel said of one socket.

use std::net::SocketAddr;

use crate::{SocketMemory, TcpInfo, TcpState};

/// What the kernel said of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketEntry {
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer's address.
    pub remote: SocketAddr,
    /// Its state.
    pub state: TcpState,
    /// Bytes that arrived and were not read. A FIN of the peer counts as one: see [`SocketEntry::unread`].
    /// Of a listening socket: connections that wait for accept.
    pub rqueue: u32,
    /// Bytes written and not acknowledged, sent or not. A FIN counts as one: see [`SocketEntry::unacknowledged`].
    /// Of a listening socket: how many connections may wait.
    pub wqueue: u32,
    /// The user that it belongs to.
    pub uid: u32,
    /// Its number, by which `/proc/PID/fd` names it. 0: no process holds it any more.
    pub inode: u32,
    /// The timer that runs, if any.
    pub timer: Option<Timer>,
    /// For a listening IPv6 socket: takes no IPv4 connections.
    pub only_v6: bool,
    /// What the kernel counts of it.
    pub info: Option<TcpInfo>,
    /// Its memory in the kernel.
    pub memory: Option<SocketMemory>,
}

impl SocketEntry {
    /// Bytes of payload that arrived and were not read.
    pub fn unread(&self) -> u64 {
        // The FIN stands behind all payload. Once the reader has seen the end it is out of the count, which is 0 then.
        u64::from(self.rqueue).saturating_sub(u64::from(self.state.has_received_fin()))
    }

    /// Bytes of payload written and not acknowledged.
    pub fn unacknowledged(&self) -> u64 {
        u64::from(self.wqueue).saturating_sub(u64::from(self.state.has_queued_fin()))
    }

    /// Whether it is the connection between these two addresses, and not what listens there.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    pub(super) fn is_between(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.state != TcpState::Listen
            && self.local.port() == local.port()
            && self.remote.port() == remote.port()
    }
}

/// What a socket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// To send again what was not acknowledged.
    Retransmit,
    /// To see whether a silent peer is still there.
    KeepAlive,
    /// To forget the connection.
    TimeWait,
    /// To ask whether the peer's window has opened: the sign that a peer does not read.
    ZeroWindowProbe,
}
