//! The state of a TCP connection, as one end of it sees it (RFC 9293, section 3.3.2).

use std::fmt;

/// The state of one end of a TCP connection. Printed as in the RFC: `ESTABLISHED`, `FIN-WAIT-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TcpState {
    /// Open both ways.
    Established,
    /// Asked to open, no answer yet.
    SynSent,
    /// Was asked to open, its answer is not confirmed yet.
    SynReceived,
    /// This end has closed and that is not acknowledged yet.
    FinWait1,
    /// This end has closed, the peer has not.
    FinWait2,
    /// Both have closed, the last packets may still be under way.
    TimeWait,
    /// There is no connection.
    Closed,
    /// The peer has closed, this end has not.
    CloseWait,
    /// The peer closed first, this end has closed too and that is not acknowledged yet.
    LastAck,
    /// Waits for connections.
    Listen,
    /// Both closed at the same time.
    Closing,
    /// A number that this program does not know.
    Unknown(u8),
}

impl TcpState {
    /// From the number that Linux gives (`include/net/tcp_states.h`).
    pub const fn from_linux(number: u8) -> TcpState {
        match number {
            1 => TcpState::Established,
            2 => TcpState::SynSent,
            // 12 is a connection request that has no socket of its own yet.
            3 | 12 => TcpState::SynReceived,
            4 => TcpState::FinWait1,
            5 => TcpState::FinWait2,
            6 => TcpState::TimeWait,
            7 => TcpState::Closed,
            8 => TcpState::CloseWait,
            9 => TcpState::LastAck,
            10 => TcpState::Listen,
            11 => TcpState::Closing,
            other => TcpState::Unknown(other),
        }
    }

    /// Whether the peer's FIN has arrived here. It counts as one received byte in the kernel's counters.
    pub const fn has_received_fin(self) -> bool {
        matches!(self, TcpState::CloseWait | TcpState::LastAck | TcpState::Closing | TcpState::TimeWait)
    }

    /// Whether the peer has acknowledged this end's FIN. It counts as one acknowledged byte in the kernel's counters.
    pub const fn has_acknowledged_fin(self) -> bool {
        matches!(self, TcpState::FinWait2 | TcpState::TimeWait)
    }

    /// Whether this end has closed and the peer has not yet acknowledged that: the FIN stands in the send queue, as one
    /// byte.
    pub const fn has_queued_fin(self) -> bool {
        matches!(self, TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing)
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TcpState::Established => "ESTABLISHED",
            TcpState::SynSent => "SYN-SENT",
            TcpState::SynReceived => "SYN-RECEIVED",
            TcpState::FinWait1 => "FIN-WAIT-1",
            TcpState::FinWait2 => "FIN-WAIT-2",
            TcpState::TimeWait => "TIME-WAIT",
            TcpState::Closed => "CLOSED",
            TcpState::CloseWait => "CLOSE-WAIT",
            TcpState::LastAck => "LAST-ACK",
            TcpState::Listen => "LISTEN",
            TcpState::Closing => "CLOSING",
            TcpState::Unknown(_) => "unknown",
        })
    }
}
