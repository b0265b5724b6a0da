//! Why a connection was closed.

use std::collections::TryReserveError;
use std::io;
use std::time::Duration;

use echoctl_proto::{BufferError, FrameTooLong};
use thiserror::Error;

use crate::error::Limit;
use crate::table::CloseCause;

/// Why a connection was closed.
#[derive(Debug, Error)]
pub enum CloseReason {
    /// The peer closed its direction and everything pending was written.
    #[error("eof")]
    Eof,
    /// The connection failed: the peer reset it or vanished.
    #[error("{}", broken(.0))]
    Broken(#[from] io::Error),
    /// The peer sent a frame that exceeds the maximum.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// The policy `disconnect`: the reply queue exceeded its limit for longer than the grace time.
    // The queued bytes are not printed: nothing is read during the grace time, so they are the limit and one read.
    #[error("reply queue over its limit of {}{}", Limit(*.limit as u64), for_time(*.grace))]
    QueueOverLimit {
        /// Bytes queued in the end.
        queued: usize,
        /// The limit in bytes.
        limit: usize,
        /// The grace time.
        grace: Duration,
    },
    /// It was closed from outside its task.
    #[error(transparent)]
    Forced(#[from] CloseCause),
    /// The frame is longer than the memory limit allows a buffer to be.
    #[error("frame of at least {length} bytes exceeds the memory limit of {}", Limit(*.limit))]
    FrameOverMemory {
        /// The declared length, or, where there is none, the bytes of the frame that have arrived.
        length: u64,
        /// The memory limit in bytes.
        limit: u64,
    },
    /// The system has no memory for what the peer sent.
    #[error("cannot buffer what the peer sent: out of memory")]
    OutOfMemory,
    /// A bug in the server, which affected only this connection.
    #[error("panicked")]
    Panicked,
}

impl CloseReason {
    /// Its name in events.
    pub const fn name(&self) -> &'static str {
        match self {
            CloseReason::Eof => "eof",
            CloseReason::Broken(_) => "broken",
            CloseReason::FrameTooLong(_) | CloseReason::FrameOverMemory { .. } => "frame_too_long",
            CloseReason::QueueOverLimit { .. } => "queue_over_limit",
            CloseReason::Forced(cause) => cause.name(),
            CloseReason::OutOfMemory => "out_of_memory",
            CloseReason::Panicked => "panicked",
        }
    }

    /// Whether this is the usual end of a connection.
    pub const fn is_normal(&self) -> bool {
        matches!(self, CloseReason::Eof)
    }

    /// Whether the connection is reset. Otherwise the kernel would keep its send queue, megabytes of it, for minutes, for a
    /// peer that the server has just given up.
    pub(crate) fn resets(&self) -> bool {
        match self {
            CloseReason::QueueOverLimit { .. } | CloseReason::OutOfMemory => true,
            CloseReason::Forced(cause) => *cause != CloseCause::IdleTimeout,
            _ => false,
        }
    }
}

impl From<BufferError> for CloseReason {
    fn from(error: BufferError) -> CloseReason {
        match error {
            BufferError::OutOfMemory(_) => CloseReason::OutOfMemory,
            error @ BufferError::Full(_) => CloseReason::Broken(io::Error::other(error)),
        }
    }
}

impl From<TryReserveError> for CloseReason {
    fn from(_: TryReserveError) -> CloseReason {
        CloseReason::OutOfMemory
    }
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "the peer reset the connection".to_owned(),
        _ => error.to_string(),
    }
}

fn for_time(grace: Duration) -> String {
    if grace.is_zero() { String::new() } else { format!(" for the grace time of {grace:?}") }
}
