//! One socket as sock_diag describes it.

use std::net::SocketAddr;

use crate::{SocketMemory, TcpInfo, TcpState};

/// One socket as sock_diag describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketEntry {
    /// Its local address.
    pub local: SocketAddr,
    /// The address of its peer.
    pub remote: SocketAddr,
    /// Its state.
    pub state: TcpState,
    /// Bytes that arrived and were not read. A FIN of the peer counts as one: see [`SocketEntry::unread`]. For a
    /// listening socket: connections that wait for accept.
    pub rqueue: u32,
    /// Bytes written and not acknowledged, sent or not. A FIN counts as one: see [`SocketEntry::unacknowledged`]. For
    /// a listening socket: the limit of its backlog.
    pub wqueue: u32,
    /// The user id of its owner.
    pub uid: u32,
    /// The inode by which `/proc/PID/fd` identifies it. 0: no process has it open any more.
    pub inode: u32,
    /// The timer that is running, if any.
    pub timer: Option<Timer>,
    /// For a listening IPv6 socket: it does not accept IPv4 connections.
    pub only_v6: bool,
    /// Its TCP counters.
    pub info: Option<TcpInfo>,
    /// Its kernel memory.
    pub memory: Option<SocketMemory>,
}

impl SocketEntry {
    /// Payload bytes that arrived and were not read.
    pub fn unread(&self) -> u64 {
        // The FIN is behind all payload. Once the reader has seen the end of stream, it no longer counts, and the
        // count is 0.
        u64::from(self.rqueue).saturating_sub(u64::from(self.state.has_received_fin()))
    }

    /// Payload bytes written and not acknowledged.
    pub fn unacknowledged(&self) -> u64 {
        u64::from(self.wqueue).saturating_sub(u64::from(self.state.has_queued_fin()))
    }

    /// Whether it is the connection between these addresses, and not the listener.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    pub(super) fn is_between(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.state != TcpState::Listen
            && self.local.port() == local.port()
            && self.remote.port() == remote.port()
    }
}

/// The running timer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Retransmits unacknowledged segments.
    Retransmit,
    /// Checks that a silent peer is still there.
    KeepAlive,
    /// Removes the closed connection.
    TimeWait,
    /// Probes whether the peer's closed receive window has opened: it runs if the peer does not read.
    ZeroWindowProbe,
}
