//! Result of a flood: how each connection ended, and the totals.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::Totals;

/// Result of a flood.
#[derive(Debug)]
pub struct Outcome {
    /// From the start of the run until its last connection has ended.
    pub elapsed: Duration,
    /// Totals over all connections.
    pub totals: Totals,
    /// How each connection ended, in the order of [`Flood::connections`](crate::Flood::connections).
    pub endings: Vec<Ending>,
    /// The drain, if reading resumed at full speed after slow reading or none. All connections together.
    pub drain: Option<Drain>,
}

/// Reading at full speed after slow reading or none. Times count from the start of the run.
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
    /// Everything was sent, and the replies were read until the server closed the connection.
    Complete,
    /// Everything was sent, and the remaining replies were left unread, as configured.
    LeftUnread,
    /// The flood was stopped.
    Stopped,
    /// The server closed the connection before it was asked to.
    PeerClosed {
        /// How it closed it.
        how: CloseKind,
        /// When, after the start of the run.
        at: Duration,
    },
    /// The server sent more bytes than it received, so reading might never end.
    Excess {
        /// Bytes that came back.
        consumed: u64,
        /// Bytes that were sent.
        produced: u64,
    },
    /// The drain was too slow or took too long.
    TimedOut {
        /// Bytes that were sent or came back within this time.
        moved: u64,
        /// The stall timeout, or the duration of the drain.
        within: Duration,
        /// Bytes that did not come back.
        pending: u64,
    },
}

/// How the server closed the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseKind {
    /// With a FIN: end of stream.
    EndOfStream,
    /// A call failed, usually because of a reset: the call, `read` or `write`, and its error.
    Failed(String),
}

impl Outcome {
    /// Whether the server reset a connection, or closed it before everything was sent.
    pub fn was_closed(&self) -> bool {
        self.endings.iter().any(|ending| matches!(ending, Ending::PeerClosed { .. }))
    }

    /// Whether every byte that was read came back as it was sent, and the server closed nothing too early.
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

impl Ending {
    /// Whether the server is not at fault.
    pub fn is_good(&self) -> bool {
        matches!(self, Ending::Complete | Ending::LeftUnread | Ending::Stopped)
    }

    pub(crate) fn failed(call: &'static str, error: &io::Error, at: Duration) -> Ending {
        Ending::PeerClosed { how: CloseKind::Failed(format!("{call}: {error}")), at }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Complete => f.write_str("complete"),
            Ending::LeftUnread => f.write_str("left unread"),
            Ending::Stopped => f.write_str("stopped"),
            Ending::PeerClosed { how, at } => {
                match at.as_millis() {
                    ms @ ..1000 => write!(f, "the server closed the connection after {ms} ms")?,
                    _ => write!(f, "the server closed the connection after {:.1} s", at.as_secs_f64())?,
                }
                if let CloseKind::Failed(error) = how { write!(f, " ({error})") } else { Ok(()) }
            }
            Ending::Excess { consumed, produced } => {
                write!(f, "more came back than was sent: {consumed} bytes for {produced}")
            }
            Ending::TimedOut { moved: 0, within, pending: 0 } => write!(
                f,
                "all bytes came back, but the server did not close the connection within {:.1} s",
                within.as_secs_f64()
            ),
            Ending::TimedOut { moved: 0, within, .. } => {
                let seconds = within.as_secs_f64();
                write!(f, "no byte moved in {seconds:.1} s: the server neither reads nor replies")
            }
            Ending::TimedOut { moved, within, pending } => write!(
                f,
                "the server was too slow: {moved} bytes moved in {:.1} s, {pending} bytes did not come back",
                within.as_secs_f64()
            ),
        }
    }
}
