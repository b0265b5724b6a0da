//! The outcome: how each connection ended, and the totals of all.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::checker::Fault;
use crate::connection::Connection;

/// How a flood ended.
#[derive(Debug)]
pub struct Outcome {
    /// From the start of the run to the end of its last connection.
    pub elapsed: Duration,
    /// What all connections did together.
    pub totals: Totals,
    /// How each connection ended, in the order of [`Flood::connections`](crate::Flood::connections), and when.
    pub endings: Vec<Ending>,
    /// The drain, if reading resumed at full speed after a time of slow reading or none: of all connections together.
    pub drain: Option<Drain>,
}

/// Counters of all connections together. Bytes and frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Connections that are not over.
    pub open: u32,
    /// Bytes written.
    pub produced: u64,
    /// Bytes read.
    pub consumed: u64,
    /// Bytes of frames that came back right and in order.
    pub verified: u64,
    /// Frames sent, the one being sent included.
    pub frames: u64,
    /// Frames that did not come back; judged for good where a connection was read to its end.
    pub lost: u64,
    /// Frames that came back once more.
    pub duplicated: u64,
    /// Frames that came back after a later one.
    pub reordered: u64,
    /// Frames that came back wrong.
    pub mismatched: u64,
    /// The first thing that was wrong on any connection, and after how many bytes there.
    pub first_fault: Option<(Fault, u64)>,
    /// The longest time for which a write waited and the kernel took no byte.
    pub longest_stall: Duration,
    /// Connections whose write waits now.
    pub stalled: u32,
}

/// Reading at full speed after a time of slow reading or none. Times count from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// When reading resumed.
    pub start: Duration,
    /// When the last byte was read.
    pub end: Duration,
    /// Bytes read from `start` to `end`.
    pub bytes: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All was sent, and all that the server gave was read to its end.
    Complete,
    /// All was sent, and the rest was left unread, as asked.
    LeftUnread,
    /// The flood was stopped.
    Stopped,
    /// The server ended the connection before it was asked to, so long after the start of the run.
    PeerClosed {
        /// In which way.
        how: CloseKind,
        /// So long after the start of the run.
        at: Duration,
    },
    /// The server sent more than it was sent, and reading on would have had no end.
    Excess {
        /// Bytes that came back.
        consumed: u64,
        /// Bytes that were sent.
        produced: u64,
    },
    /// What was still pending at the end did not come back in time.
    TimedOut {
        /// Bytes that were sent or came back within this time.
        moved: u64,
        /// The patience, or the whole time for reading at the end.
        within: Duration,
        /// Bytes that had not come back.
        pending: u64,
    },
}

/// In which way a server ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseKind {
    /// It sent FIN: end of stream.
    EndOfStream,
    /// A call failed, most often because of a RST.
    Failed {
        /// What was attempted: `read` or `write`.
        call: &'static str,
        /// What the kernel said.
        kind: io::ErrorKind,
        /// The same, in its words.
        message: String,
    },
}

impl Outcome {
    /// Whether every byte came back as it was sent, as far as was read, and no server hung up unasked.
    pub fn is_good(&self) -> bool {
        let totals = &self.totals;
        let wrong = totals.lost + totals.duplicated + totals.reordered + totals.mismatched;
        wrong == 0 && self.endings.iter().all(Ending::is_good)
    }
}

impl Drain {
    /// Bytes per second from `start` to `end`; `None` if no time has passed.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.end.saturating_sub(self.start).as_secs_f64();
        (seconds > 0.0).then(|| self.bytes as f64 / seconds)
    }

    /// Both drains as one.
    pub(crate) fn merge(self, other: Drain) -> Drain {
        Drain {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Totals {
    /// The counters of these connections, now. `consumed` is read before `produced`, so that it never is the larger.
    pub fn of<'a>(connections: impl IntoIterator<Item = &'a Connection>) -> Totals {
        let mut totals = Totals::default();
        for connection in connections {
            totals.add(connection);
        }
        totals
    }

    fn add(&mut self, connection: &Connection) {
        let tally = connection.tally();
        self.consumed += connection.consumed();
        self.produced += connection.produced();
        self.verified += tally.verified;
        self.frames += connection.frames();
        self.lost += tally.lost;
        self.duplicated += tally.duplicated;
        self.reordered += tally.reordered;
        self.mismatched += tally.mismatched;
        self.first_fault = self.first_fault.or(tally.first_fault);
        self.longest_stall = self.longest_stall.max(connection.longest_stall());
        self.stalled += u32::from(connection.stalled().is_some());
        self.open += u32::from(connection.ending().is_none());
    }
}

impl Ending {
    /// Whether it is no fault of the server's.
    pub fn is_good(&self) -> bool {
        matches!(self, Ending::Complete | Ending::LeftUnread | Ending::Stopped)
    }

    pub(crate) fn failed(call: &'static str, error: &io::Error, at: Duration) -> Ending {
        let how = CloseKind::Failed { call, kind: error.kind(), message: error.to_string() };
        Ending::PeerClosed { how, at }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Complete => f.write_str("complete"),
            Ending::LeftUnread => f.write_str("left unread"),
            Ending::Stopped => f.write_str("stopped"),
            Ending::PeerClosed { how: CloseKind::EndOfStream, at } => {
                write!(f, "the server closed the connection after {:.1} s", at.as_secs_f64())
            }
            Ending::PeerClosed { how: CloseKind::Failed { call, message, .. }, at } => {
                let seconds = at.as_secs_f64();
                write!(f, "the server ended the connection after {seconds:.1} s ({call}: {message})")
            }
            Ending::Excess { consumed, produced } => {
                write!(f, "more came back than was sent: {consumed} bytes for {produced}")
            }
            Ending::TimedOut { moved: 0, within, pending: 0 } => write!(
                f,
                "all bytes came back, and then the server did not end the connection for {:.1} s",
                within.as_secs_f64()
            ),
            Ending::TimedOut { moved: 0, within, .. } => {
                write!(f, "the server neither took nor gave a byte for {:.1} s", within.as_secs_f64())
            }
            Ending::TimedOut { moved, within, pending } => write!(
                f,
                "the server was too slow: {moved} bytes moved in {:.1} s, and {pending} had not come back",
                within.as_secs_f64()
            ),
        }
    }
}
