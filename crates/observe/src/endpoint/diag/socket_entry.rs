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
    /// a listening socket: the limit of its backlog, 0 if it is not visible.
    pub wqueue: u32,
    /// The user id of its owner.
    pub uid: u32,
    /// The inode by which `/proc/PID/fd` identifies it. 0: no process has it open any more.
    pub inode: u32,
    /// The timer that is running, if any.
    pub timer: Option<Timer>,
    /// Retransmissions or probes in a row that the peer has not answered.
    pub unanswered: u32,
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

    /// Whether a listening socket accepts connections to `addr`: at exactly this address, or because one of the two is a wildcard.
    ///
    /// `0.0.0.0` accepts IPv4 only, `[::]` IPv6 and, unless it is [`only_v6`](SocketEntry::only_v6), IPv4. A connection *to* a
    /// wildcard goes to loopback.
    pub fn covers(&self, addr: SocketAddr) -> bool {
        let v4 = if self.only_v6 { V4::Refused } else { V4::Accepted };
        self.state == TcpState::Listen && covers(self.local, v4, addr)
    }

    /// Whether it is the connection between these addresses, and not the listener.
    pub(super) fn is_between(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.state != TcpState::Listen
            && self.local.port() == local.port()
            && self.remote.port() == remote.port()
    }
}

/// Whether an IPv6 wildcard accepts IPv4 connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum V4 {
    Accepted,
    Refused,
}

/// Whether a socket that listens at `listening` accepts connections to `addr`.
pub(crate) fn covers(listening: SocketAddr, v4: V4, addr: SocketAddr) -> bool {
    let (bound, wanted) = (listening.ip().to_canonical(), addr.ip().to_canonical());
    let is_wildcard = bound.is_unspecified()
        && (bound.is_ipv4() == wanted.is_ipv4() || (bound.is_ipv6() && v4 == V4::Accepted));
    let is_same = bound == wanted || (wanted.is_unspecified() && bound.is_loopback());
    listening.port() == addr.port() && (is_same || is_wildcard)
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

impl Timer {
    /// Converts Linux's number (`idiag_timer`, and the column `tr` of `/proc/net/tcp`).
    pub(crate) fn from_linux(number: u8) -> Option<Timer> {
        match number {
            1 => Some(Timer::Retransmit),
            2 => Some(Timer::KeepAlive),
            3 => Some(Timer::TimeWait),
            4 => Some(Timer::ZeroWindowProbe),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers_text(listening: &str, v4: V4, addr: &str) -> bool {
        covers(listening.parse().unwrap(), v4, addr.parse().unwrap())
    }

    #[test]
    fn a_socket_accepts_at_its_address_and_port_only() {
        assert!(covers_text("127.0.0.1:80", V4::Accepted, "127.0.0.1:80"));
        assert!(covers_text("127.0.0.1:80", V4::Accepted, "[::ffff:127.0.0.1]:80"));
        assert!(covers_text("[::ffff:127.0.0.1]:80", V4::Accepted, "127.0.0.1:80"));
        for other in ["127.0.0.1:81", "127.0.0.2:80", "[::1]:80"] {
            assert!(!covers_text("127.0.0.1:80", V4::Accepted, other), "{other}");
        }
    }

    #[test]
    fn an_ipv4_wildcard_accepts_ipv4_only() {
        assert!(covers_text("0.0.0.0:80", V4::Accepted, "127.0.0.1:80"));
        assert!(covers_text("0.0.0.0:80", V4::Accepted, "[::ffff:192.0.2.1]:80"));
        assert!(!covers_text("0.0.0.0:80", V4::Accepted, "[::1]:80"));
    }

    #[test]
    fn an_ipv6_wildcard_accepts_ipv4_unless_it_refuses() {
        for (v4, accepts) in [(V4::Accepted, true), (V4::Refused, false)] {
            assert!(covers_text("[::]:80", v4, "[::1]:80"));
            assert_eq!(covers_text("[::]:80", v4, "127.0.0.1:80"), accepts, "{v4:?}");
        }
    }

    #[test]
    fn a_connection_to_a_wildcard_goes_to_loopback() {
        for wildcard in ["0.0.0.0:80", "[::]:80"] {
            assert!(covers_text("127.0.0.1:80", V4::Accepted, wildcard));
            assert!(covers_text("[::1]:80", V4::Accepted, wildcard));
            assert!(!covers_text("192.0.2.1:80", V4::Accepted, wildcard));
        }
    }
}
