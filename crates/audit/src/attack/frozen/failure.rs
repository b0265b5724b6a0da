//! Why a client could not be frozen in the middle of its work.

use std::time::Duration;

use echoctl_observe::ServerAddr;
use echoctl_record::{Bytes, Seconds};
use thiserror::Error;

/// What the client did instead. Its last output is ready to be appended, and safe to print.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientFailure {
    /// It exited without any bytes from the server.
    #[error("the client exited ({how}) before any bytes from {addr} to it were seen{output}")]
    ReceivedNothing {
        /// The server.
        addr: ServerAddr,
        /// How it exited, e.g. `exit status: 1`.
        how: String,
        /// Its last output.
        output: String,
    },
    /// It made no connection.
    #[error("the client made no connection to {addr} within {}{output}", Seconds(.waited.as_secs_f64()))]
    NoConnection {
        /// The server.
        addr: ServerAddr,
        /// How long it was waited for.
        waited: Duration,
        /// Its last output.
        output: String,
    },
    /// It exited too early.
    #[error(
        "the client exited ({how}) {} after its first bytes from the server, before it was frozen; it had received {}{output}",
        Seconds(.after.as_secs_f64()),
        Bytes(*.received)
    )]
    Finished {
        /// How it exited.
        how: String,
        /// Time since the first bytes came.
        after: Duration,
        /// Bytes that it had received.
        received: u64,
        /// Its last output.
        output: String,
    },
    /// Its connections were closed too early.
    #[error(
        "the connection of the client was closed before the client was frozen; it had received {}{output}",
        Bytes(*.received)
    )]
    Disconnected {
        /// Bytes that it had received.
        received: u64,
        /// Its last output.
        output: String,
    },
    /// Too little came from the server.
    #[error(
        "nothing flows from the server to the client: it had received {} when nothing came for {}{output}",
        Bytes(*.received),
        Seconds(.silent.as_secs_f64())
    )]
    NothingFlows {
        /// Bytes that it had received.
        received: u64,
        /// How long nothing came.
        silent: Duration,
        /// Its last output.
        output: String,
    },
    /// It exited while it was frozen.
    #[error("the client was killed while it was frozen ({how}){output}")]
    Killed {
        /// How it exited.
        how: String,
        /// Its last output.
        output: String,
    },
}

impl ClientFailure {
    /// Whether the server could not be reached, as far as that shows.
    pub fn is_unreachable(&self) -> bool {
        match self {
            ClientFailure::ReceivedNothing { .. } | ClientFailure::NoConnection { .. } => true,
            ClientFailure::Finished { .. }
            | ClientFailure::Disconnected { .. }
            | ClientFailure::NothingFlows { .. }
            | ClientFailure::Killed { .. } => false,
        }
    }
}
