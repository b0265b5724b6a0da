//! State of a TCP connection, as one endpoint sees it (RFC 9293, section 3.3.2).

use std::fmt;

/// The state of one endpoint of a TCP connection. Printed as in the RFC: `ESTABLISHED`, `FIN-WAIT-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TcpState {
    /// Open in both directions.
    Established,
    /// SYN sent, not answered yet.
    SynSent,
    /// SYN received and answered, not confirmed yet.
    SynReceived,
    /// This endpoint has closed, and its FIN is not acknowledged yet.
    FinWait1,
    /// This endpoint has closed, the peer has not.
    FinWait2,
    /// Both have closed; the last packets may still be in the network.
    TimeWait,
    /// There is no connection.
    #[default]
    Closed,
    /// The peer has closed, this endpoint has not.
    CloseWait,
    /// The peer closed first, this endpoint has closed too, and its FIN is not acknowledged yet.
    LastAck,
    /// It waits for connections.
    Listen,
    /// Both closed at the same time.
    Closing,
    /// A state that this program does not know.
    Unknown(u8),
}

impl TcpState {
    /// Converts Linux's number (`include/net/tcp_states.h`).
    pub const fn from_linux(number: u8) -> TcpState {
        match number {
            1 => TcpState::Established,
            2 => TcpState::SynSent,
            // 12 is a connection request that does not have a socket of its own yet.
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

    /// Whether the peer's FIN has arrived. The kernel counts it as one received byte.
    pub const fn has_received_fin(self) -> bool {
        matches!(self, TcpState::CloseWait | TcpState::LastAck | TcpState::Closing | TcpState::TimeWait)
    }

    /// Whether the peer has acknowledged this endpoint's FIN. The kernel counts it as one acknowledged byte.
    pub const fn has_acknowledged_fin(self) -> bool {
        matches!(self, TcpState::FinWait2 | TcpState::TimeWait)
    }

    /// Whether this endpoint has sent a FIN: it has closed, or nothing is left of it.
    pub const fn has_sent_fin(self) -> bool {
        self.has_queued_fin() || self.has_acknowledged_fin() || matches!(self, TcpState::Closed)
    }

    /// Whether this endpoint has closed and its FIN is not acknowledged yet. The FIN counts as one byte in the send
    /// queue.
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
