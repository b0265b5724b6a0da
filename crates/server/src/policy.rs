//! Backpressure policies: what the server does when replies are made faster than the peer reads them.
//!
//! All seven are settings of two machines: **await** (read, write, and only then read again), or a **reply queue**
//! between reading and writing, with a limit, a level to resume at, a scope, and what happens when it is full.
//!
//! "One read" below is at most 64 KiB, or one frame where a frame is longer ([`Config::max_frame`](crate::Config)): what
//! has been read must be put somewhere. "Stopped" means that the server does not read: its receive queue fills, TCP's
//! window closes, the peer's send queue fills, and then the peer's write blocks. So the one who waits is the producer.
//! A queue is allocated in segments of 64 KiB, so it costs up to two of them more than the bytes that wait in it; that is
//! what [`Config::memory_limit`](crate::Config) counts.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// What the server does with a peer that reads more slowly than it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// No queue: the next read starts when the last write has completed.
    ///
    /// A slow peer is stopped as soon as the kernel's send queue to it is full. Holds at most one read a connection, and
    /// nothing is lost. Choose it unless there is a reason not to: it is the least code and the least memory.
    #[default]
    Await,
    /// A queue without a limit: the bug that the other policies cure.
    ///
    /// A slow peer notices nothing; the server holds every byte sent and not read back, until the memory limit ends the
    /// connection. Choose it to see what goes wrong.
    Off,
    /// A queue with a limit; reading stops at the limit and resumes as soon as there is room.
    ///
    /// A slow peer is stopped once `limit` bytes wait for it. Holds at most `limit` + one read a connection, and nothing is
    /// lost. Choose it when peers read in bursts, so that the server can work ahead of them.
    Bounded {
        /// Bytes in the queue at which reading stops.
        limit: usize,
    },
    /// A queue with two marks; reading stops at `limit` and resumes once the queue has fallen to `resume_at`.
    ///
    /// A slow peer is stopped and let go in long strokes (the saw-tooth of `socket.pause()` and `resume()`). Holds at most
    /// `limit` + one read a connection, and nothing is lost. Choose it where switching between the two is dear.
    Watermark {
        /// Bytes in the queue at which reading stops.
        limit: usize,
        /// Bytes in the queue at which reading resumes: at most `limit`.
        resume_at: usize,
    },
    /// A queue with a limit; the newest whole frame that does not fit is dropped, and counted.
    ///
    /// A slow peer is never stopped: it loses frames, each as a whole. Holds at most `limit` + one read a connection. Choose
    /// it where old news is worth nothing: telemetry, positions, prices.
    Drop {
        /// The most bytes in the queue; a frame longer than this passes when the queue is empty.
        limit: usize,
    },
    /// A queue with a limit; a peer whose queue stays over it for `grace` is disconnected.
    ///
    /// A slow peer is not read during the grace and then reset; it loses all that was queued. Holds at most `limit` + one
    /// read a connection. Choose it where a slow peer had better come back and start anew (feeds, replicas).
    Disconnect {
        /// The most bytes in the queue that are borne for longer than `grace`.
        limit: usize,
        /// How long the queue may stay over the limit; zero means not at all.
        grace: Duration,
    },
    /// Queues that share one limit, each connection sure of one read.
    ///
    /// A slow peer is stopped when *all* that wait have used the budget up; then each of them goes on at its own peer's pace,
    /// holding one read at a time. Holds at most `limit` + one read for each connection that waits, whatever their number,
    /// and nothing is lost. Choose it when many connections are open and few of them are slow at a time.
    Budget {
        /// Bytes in all queues together at which reading stops.
        limit: usize,
    },
}

impl Policy {
    /// The names of all policies, in the order of the documentation.
    pub const NAMES: [&'static str; 7] =
        ["await", "off", "bounded", "watermark", "drop", "disconnect", "budget"];

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

    /// The queue's limit in bytes, where it has one.
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

    /// How long a queue over its limit is borne: with disconnect alone it is ever over it.
    pub(crate) const fn grace(self) -> Duration {
        match self {
            Policy::Disconnect { grace, .. } => grace,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no backpressure policy: use await, off, bounded, watermark, drop, disconnect or budget")]
pub struct UnknownPolicy(pub String);
