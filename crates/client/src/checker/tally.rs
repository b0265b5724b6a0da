//! Results of a check: counts of frames by kind of fault.

use std::fmt;

/// Results of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Bytes of frames that came back intact and in order; without framing, all correct bytes.
    pub(crate) verified: u64,
    /// Frames that did not come back.
    pub(crate) lost: u64,
    /// Frames that came back more than once.
    pub(crate) duplicated: u64,
    /// Frames that came back after a later one.
    pub(crate) reordered: u64,
    /// Frames that came back corrupt.
    pub(crate) mismatched: u64,
    /// Bytes that came back.
    pub(crate) bytes: u64,
    /// The first fault, and the offset of the wrong frame in bytes; without framing, of the wrong byte.
    pub(crate) first_fault: Option<(Fault, u64)>,
}

/// What was wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A byte differs from the one that was sent.
    Content,
    /// Its number was never sent on this connection.
    Number,
    /// More bytes came back than were sent.
    Excess,
    /// No sent frame had the payload length of its prefix, so the frame boundaries are lost.
    Length(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Content => f.write_str("a byte that differs from the one sent"),
            Fault::Number => f.write_str("a frame number that was never sent on its connection"),
            Fault::Excess => f.write_str("more bytes than were sent"),
            Fault::Length(length) => {
                write!(
                    f,
                    "a length prefix of {length} bytes, which no frame had, so the rest was not checked"
                )
            }
        }
    }
}
