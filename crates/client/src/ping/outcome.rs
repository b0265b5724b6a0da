//! Result of a ping: the times, and why connections ended early.

use std::io::{self, ErrorKind};
use std::time::Duration;

use thiserror::Error;

use super::latencies::Latencies;

/// Result of a ping.
#[derive(Debug)]
pub struct PingOutcome {
    /// Round-trip time of each frame that came back intact.
    pub latencies: Latencies,
    /// How late the client itself sent frames although a connection was free, because it slept too long: the part of
    /// the latencies that the instrument caused, not the server. Empty in a closed loop.
    pub lateness: Latencies,
    /// Duration of the run.
    pub elapsed: Duration,
    /// Frames that were due but never sent, because no connection was free in time: the server did not keep up with
    /// the rate. 0 in a closed loop.
    pub unsent: u64,
    /// Faults that ended connections early, at most one each.
    pub faults: Vec<PingFault>,
}

/// Why a connection of a ping ended early.
#[derive(Debug, Error)]
pub enum PingFault {
    /// The server closed or reset the connection.
    #[error("the server closed the connection")]
    PeerClosed,
    /// The reply differs from the frame.
    #[error("the reply differs from the frame sent: the server does not echo, or uses another framing")]
    Mismatch,
    /// No complete reply arrived in time.
    #[error("no reply within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// A system call failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

impl PingFault {
    pub(super) fn of(error: io::Error, timeout: Duration) -> PingFault {
        match error.kind() {
            // The kind of a timeout depends on the system.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => PingFault::TimedOut(timeout),
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => PingFault::PeerClosed,
            _ => PingFault::Io(error),
        }
    }
}
