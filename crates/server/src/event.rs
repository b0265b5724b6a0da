//! What a server reports: it never prints, it calls its owner's function with one of these.
//!
//! The function runs on the threads that serve, so it must return immediately and must not wait for a reader of the events:
//! `echoctl serve` puts them into a bounded queue and counts those that do not fit.

use std::collections::TryReserveError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::Duration;

use echoctl_proto::{BufferError, FrameTooLong, Full};

use crate::error::Limit;

/// Something that happened in the server.
#[derive(Debug)]
pub enum Event {
    /// The server accepts connections.
    Listening(Listening),
    /// Its current state, every [`stats_every`](crate::Config).
    Stats(Stats),
    /// A connection was closed.
    Closed {
        /// Address of the peer.
        peer: SocketAddr,
        /// Why it was closed.
        reason: CloseReason,
        /// What passed through it.
        totals: Totals,
    },
    /// Shutdown has begun: the server waits for the connections that are still open.
    ShuttingDown {
        /// Number of open connections.
        connections: usize,
        /// How long it waits at most.
        drain: Duration,
    },
    /// Connections cannot be accepted, for lack of file descriptors or memory. The server retries by itself. Reported once
    /// when it begins, and again every 10 s.
    AcceptPaused {
        /// The kernel's error.
        error: io::Error,
    },
}

/// Where and how a server listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// Its address, with the port that the kernel chose for port 0.
    pub addr: SocketAddr,
    /// Send buffer of each connection in bytes, if one was requested (Linux doubles it).
    pub send_buffer: Option<usize>,
    /// Receive buffer of each connection in bytes, if one was requested (Linux doubles it).
    pub receive_buffer: Option<usize>,
}

/// What passed through a connection, or through the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes read from peers.
    pub received: u64,
    /// Bytes written to peers.
    pub sent: u64,
    /// Frames dropped by the policy `drop`.
    pub dropped_frames: u64,
}

/// State of the server at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Time since the server began to listen.
    pub uptime: Duration,
    /// Number of open connections.
    pub connections: usize,
    /// Number of connections accepted so far.
    pub accepted: u64,
    /// Totals of open and closed connections so far.
    pub totals: Totals,
    /// Bytes in reply queues and frame buffers: what the memory limit limits.
    pub buffered: u64,
    /// Kernel memory of the server's own end of all open connections, in bytes: send queues, receive queues and bookkeeping.
    /// What the peers' kernels hold (on loopback, as much again) is not included. `None` where that is not visible.
    pub own_kernel_memory: Option<u64>,
}

/// Why a connection was closed.
#[derive(Debug)]
pub enum CloseReason {
    /// The peer closed its direction and everything pending was written.
    Eof,
    /// The connection failed: the peer reset it or vanished.
    Broken(io::Error),
    /// The peer sent a frame that exceeds the maximum.
    FrameTooLong(FrameTooLong),
    /// The policy `disconnect`: the reply queue exceeded its limit for longer than the grace time.
    QueueOverLimit {
        /// Bytes queued in the end.
        queued: usize,
        /// The limit in bytes.
        limit: usize,
        /// The grace time.
        grace: Duration,
    },
    /// All connections together reached the memory limit, and this one buffered the most.
    MemoryLimit,
    /// The frame is longer than the memory limit allows a buffer to be.
    FrameOverMemory {
        /// The declared length, or, where there is none, the bytes of the frame that have arrived.
        length: u64,
        /// The memory limit in bytes.
        limit: u64,
    },
    /// The system has no memory for what the peer sent.
    OutOfMemory,
    /// No input and no pending output for the idle timeout.
    IdleTimeout,
    /// The peer acknowledged none of its pending output for the write timeout.
    WriteTimeout,
    /// The peer acknowledged its pending output more slowly than the minimum rate.
    MinRate,
    /// The server shut down before the peer had read its pending output.
    Shutdown,
    /// A bug in the server, which affected only this connection.
    Panicked,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.received += other.received;
        self.sent += other.sent;
        self.dropped_frames += other.dropped_frames;
    }
}

impl CloseReason {
    /// Its name in events.
    pub const fn name(&self) -> &'static str {
        match self {
            CloseReason::Eof => "eof",
            CloseReason::Broken(_) => "broken",
            CloseReason::FrameTooLong(_) | CloseReason::FrameOverMemory { .. } => "frame_too_long",
            CloseReason::QueueOverLimit { .. } => "queue_over_limit",
            CloseReason::MemoryLimit => "memory_limit",
            CloseReason::OutOfMemory => "out_of_memory",
            CloseReason::IdleTimeout => "idle_timeout",
            CloseReason::WriteTimeout => "write_timeout",
            CloseReason::MinRate => "min_rate",
            CloseReason::Shutdown => "shutdown",
            CloseReason::Panicked => "panicked",
        }
    }

    /// Whether this is the usual end of a connection.
    pub const fn is_normal(&self) -> bool {
        matches!(self, CloseReason::Eof)
    }

    /// Whether the connection is reset. Otherwise the kernel would keep its send queue, megabytes of it, for minutes, for a
    /// peer that the server has just given up.
    pub(crate) const fn resets(&self) -> bool {
        matches!(
            self,
            CloseReason::QueueOverLimit { .. }
                | CloseReason::MemoryLimit
                | CloseReason::OutOfMemory
                | CloseReason::WriteTimeout
                | CloseReason::MinRate
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
            // The queued bytes are not printed: nothing is read during the grace time, so they are the limit and one read.
            CloseReason::QueueOverLimit { limit, grace, .. } => {
                write!(f, "reply queue over its limit of {}", Limit(*limit))?;
                match *grace {
                    Duration::ZERO => Ok(()),
                    grace => write!(f, " for the grace time of {grace:?}"),
                }
            }
            CloseReason::MemoryLimit => {
                f.write_str("memory limit reached: this connection buffered the most")
            }
            CloseReason::FrameOverMemory { length, limit } => {
                let limit = Limit(usize::try_from(*limit).unwrap_or(usize::MAX));
                write!(f, "frame of at least {length} bytes exceeds the memory limit of {limit}")
            }
            CloseReason::OutOfMemory => f.write_str("cannot buffer what the peer sent: out of memory"),
            CloseReason::IdleTimeout => f.write_str("idle timeout: no input and no pending replies"),
            CloseReason::WriteTimeout => {
                f.write_str("write timeout: the peer acknowledged none of its pending replies")
            }
            CloseReason::MinRate => {
                f.write_str("minimum rate: the peer acknowledged its pending replies too slowly")
            }
            CloseReason::Shutdown => {
                f.write_str("shutdown: the peer did not read its pending replies in time")
            }
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
