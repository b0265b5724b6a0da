//! What the server has to say: it never prints, it calls back with one of these.
//!
//! The callback runs on the threads that serve, so it must return at once and must never wait for whoever reads the
//! events: `echoctl serve` puts them into a bounded channel and counts what does not fit.

use std::collections::TryReserveError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use echoctl_proto::{BufferError, FrameTooLong, Full};

use crate::error::Limit;

/// Something that happened in the server.
#[derive(Debug)]
pub enum Event {
    /// It accepts connections from now on.
    Listening(Listening),
    /// Its state now, every [`stats_every`](crate::Config).
    Stats(Stats),
    /// A connection has ended.
    Closed {
        /// Who was at its other end.
        peer: SocketAddr,
        /// Why it ended.
        reason: CloseReason,
        /// What went through it.
        totals: Totals,
    },
    /// It was asked to end, and waits for the connections that are still open.
    ShuttingDown {
        /// How many there are.
        connections: usize,
        /// How long it waits at most.
        drain: Duration,
    },
    /// Connections cannot be accepted for want of descriptors or memory. Said once each time it begins; the server tries
    /// again by itself.
    AcceptPaused {
        /// What the kernel said.
        error: io::Error,
    },
}

/// Where and how a server listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// The address, with the port that the kernel chose where 0 was asked for.
    pub addr: SocketAddr,
    /// Bytes of send buffer that each connection really has, where some were asked for (Linux doubles them).
    pub send_buffer: Option<usize>,
    /// Bytes of receive buffer that each connection really has, where some were asked for.
    pub receive_buffer: Option<usize>,
}

/// What went through a connection, or through the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes read from peers.
    pub received: u64,
    /// Bytes written to peers.
    pub sent: u64,
    /// Frames that the policy `drop` has dropped.
    pub dropped_frames: u64,
}

/// The server's state at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Since the server began to listen.
    pub uptime: Duration,
    /// Connections open now.
    pub connections: usize,
    /// Connections accepted so far.
    pub accepted: u64,
    /// Bytes so far, of open and closed connections.
    pub totals: Totals,
    /// Bytes in reply queues and frame buffers now: what the memory limit limits.
    pub buffered: u64,
    /// Bytes of memory that the sockets of open connections take in the kernel now: their queues, bookkeeping included.
    /// `None` where that is not visible.
    pub kernel_memory: Option<u64>,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum CloseReason {
    /// The peer closed its direction, got all it was owed, and so did we.
    Eof,
    /// The connection broke: the peer reset it, or vanished.
    Broken(io::Error),
    /// The peer sent a frame longer than the maximum.
    FrameTooLong(FrameTooLong),
    /// The policy `disconnect`: more bytes were queued than the limit allows, for longer than the grace.
    QueueOverLimit {
        /// Bytes queued at the end.
        queued: usize,
        /// The limit in bytes.
        limit: usize,
        /// How long it was borne.
        grace: Duration,
    },
    /// All connections together held more than the memory limit, and this one held most.
    MemoryLimit,
    /// The frame is longer than the memory limit allows: no buffer may hold it.
    FrameOverMemory {
        /// The declared length, or, where there is none, as much of the frame as has arrived.
        length: u64,
        /// The memory limit in bytes.
        limit: u64,
    },
    /// The system has no memory for what the peer sent.
    OutOfMemory,
    /// Nothing was sent and nothing owed for the idle timeout.
    IdleTimeout,
    /// The peer took no byte for the write timeout.
    WriteTimeout,
    /// The server ended before the peer had taken what it was owed.
    Shutdown,
    /// A mistake in the server, which cost this connection alone.
    Panicked,
}

impl CloseReason {
    /// Its name in events.
    pub const fn name(&self) -> &'static str {
        match self {
            CloseReason::Eof => "eof",
            CloseReason::Broken(_) => "broken",
            CloseReason::FrameTooLong(_) | CloseReason::FrameOverMemory { .. } => "frame too long",
            CloseReason::QueueOverLimit { .. } => "queue over limit",
            CloseReason::MemoryLimit => "memory limit",
            CloseReason::OutOfMemory => "out of memory",
            CloseReason::IdleTimeout => "idle timeout",
            CloseReason::WriteTimeout => "write timeout",
            CloseReason::Shutdown => "shutdown",
            CloseReason::Panicked => "panicked",
        }
    }

    /// Whether all went as it should.
    pub const fn is_normal(&self) -> bool {
        matches!(self, CloseReason::Eof)
    }

    /// Whether the peer is to be reset. Otherwise the kernel would keep what it has queued, megabytes of it, for minutes,
    /// on behalf of a peer that we have just given up.
    pub(crate) const fn resets(&self) -> bool {
        matches!(
            self,
            CloseReason::QueueOverLimit { .. }
                | CloseReason::MemoryLimit
                | CloseReason::OutOfMemory
                | CloseReason::WriteTimeout
                | CloseReason::Shutdown
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Broken(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                f.write_str("the peer reset the connection")
            }
            CloseReason::Broken(error) => write!(f, "{error}"),
            CloseReason::FrameTooLong(error) => write!(f, "{error}"),
            // How many waited says nothing: nothing is read during the grace, so it is always the limit and one read.
            CloseReason::QueueOverLimit { limit, grace, .. } => {
                write!(f, "queue over limit: more than {} waited for the peer, ", Limit(*limit))?;
                match *grace {
                    Duration::ZERO => f.write_str("and no grace is set (see --grace)"),
                    grace => write!(f, "for all the grace of {grace:?}"),
                }
            }
            CloseReason::MemoryLimit => f.write_str("memory limit: this connection held most of it"),
            CloseReason::FrameOverMemory { length, limit } => {
                let limit = Limit(usize::try_from(*limit).unwrap_or(usize::MAX));
                write!(
                    f,
                    "a frame of {length} bytes or more does not fit the memory limit of {limit} (see --memory-limit)"
                )
            }
            CloseReason::OutOfMemory => f.write_str("could not buffer what the peer sent: out of memory"),
            CloseReason::IdleTimeout => f.write_str("idle timeout: nothing sent, nothing owed"),
            CloseReason::WriteTimeout => f.write_str("write timeout: the peer takes no byte"),
            CloseReason::Shutdown => f.write_str("shutdown: the peer did not take what it was owed in time"),
            CloseReason::Eof | CloseReason::Panicked => f.write_str(self.name()),
        }
    }
}

impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> CloseReason {
        CloseReason::Broken(error)
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

impl From<Full> for CloseReason {
    fn from(error: Full) -> CloseReason {
        BufferError::from(error).into()
    }
}

impl From<TryReserveError> for CloseReason {
    fn from(_: TryReserveError) -> CloseReason {
        CloseReason::OutOfMemory
    }
}

impl From<FrameTooLong> for CloseReason {
    fn from(error: FrameTooLong) -> CloseReason {
        CloseReason::FrameTooLong(error)
    }
}
