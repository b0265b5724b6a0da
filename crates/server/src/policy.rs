//! Backpressure policies: what the server does when replies are produced faster than the peer reads them.
//!
//! All seven are settings of two designs: **await** (read, write, and only then read again), and a **reply queue** between reading
//! and writing, with a limit, a low watermark, a scope, and a rule for when it is full.
//!
//! "One read" below is at most 64 KiB, or 128 KiB from a peer that sends without a pause and reads its replies, or one frame where
//! a frame is longer ([`Config::max_frame`](crate::Config)): what has been read must be stored somewhere. "Stopped" means that the
//! server does not read, so its receive queue fills, the receive window closes, the peer's send queue fills, and finally the peer's
//! write blocks. So it is the producer that waits. A queue is allocated in segments of 64 KiB, so it costs up to two of them more
//! than the bytes in it; [`Config::memory_limit`](crate::Config) counts what is allocated.

use std::fmt;
use std::time::Duration;

/// What the server does with a peer that reads more slowly than replies are produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// No queue: the next read starts when the last write has completed.
    ///
    /// A slow peer is stopped as soon as the kernel's send queue to it is full. Buffers at most one read per connection, and
    /// nothing is lost. Choose it unless there is a reason not to: it needs the least code and the least memory.
    #[default]
    Await,
    /// A queue without a limit: the bug that the other policies fix.
    ///
    /// A slow peer notices nothing. The server buffers every byte that the peer sends and does not read back, until the memory
    /// limit closes the connection. Choose it to see what goes wrong.
    Off,
    /// A queue with a limit; reading stops at the limit and resumes as soon as there is room.
    ///
    /// A slow peer is stopped once `limit` bytes are queued for it. Buffers at most `limit` + one read per connection, and
    /// nothing is lost. Choose it when peers read in bursts, so that the server can work ahead of them.
    Bounded {
        /// Bytes in the queue at which reading stops.
        limit: usize,
    },
    /// A queue with a high and a low watermark; reading stops at `limit` and resumes once the queue has fallen to `resume_at`.
    ///
    /// A slow peer is stopped and resumed in long bursts (the sawtooth of `socket.pause()` and `resume()`). Buffers at most
    /// `limit` + one read per connection, and nothing is lost. Choose it where pausing and resuming is expensive.
    Watermark {
        /// Bytes in the queue at which reading stops.
        limit: usize,
        /// Bytes in the queue at which reading resumes: the low watermark, at most `limit`.
        resume_at: usize,
    },
    /// A queue with a limit; the newest complete frame that does not fit is dropped and counted.
    ///
    /// A slow peer is never stopped, but loses entire frames. Buffers at most `limit` + one read per connection. Choose it where
    /// outdated data is worthless: telemetry, positions, prices.
    Drop {
        /// Maximum number of bytes in the queue; a longer frame is admitted when the queue is empty.
        limit: usize,
    },
    /// A queue with a limit; a peer whose queue stays over it for `grace` is disconnected.
    ///
    /// A slow peer is not read during the grace time and then reset, and loses everything that was queued. Buffers at most
    /// `limit` + one read per connection. Choose it where a slow peer should reconnect and start over (feeds, replicas).
    Disconnect {
        /// Maximum number of bytes in the queue for longer than `grace`.
        limit: usize,
        /// How long the queue may exceed the limit; zero means not at all.
        grace: Duration,
    },
    /// Queues that share one limit; each connection is guaranteed one read.
    ///
    /// A slow peer is stopped when the queues of *all* slow peers have used up the budget. From then on, each connection proceeds
    /// at the pace of its own peer, with one read at a time. Buffers at most `limit` + one read for each connection that waits,
    /// and nothing is lost. Choose it when many connections are open and few of them are slow at the same time.
    Budget {
        /// Bytes in all queues together at which reading stops.
        limit: usize,
    },
}

impl Policy {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::Await => "await",
            Policy::Off => "off",
            Policy::Bounded { .. } => "bounded",
            Policy::Watermark { .. } => "watermark",
            Policy::Drop { .. } => "drop",
            Policy::Disconnect { .. } => "disconnect",
            Policy::Budget { .. } => "budget",
        }
    }

    /// The limit of the queue in bytes, if it has one.
    pub const fn limit(self) -> Option<usize> {
        match self {
            Policy::Await | Policy::Off => None,
            Policy::Bounded { limit }
            | Policy::Watermark { limit, .. }
            | Policy::Drop { limit }
            | Policy::Disconnect { limit, .. }
            | Policy::Budget { limit } => Some(limit),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
