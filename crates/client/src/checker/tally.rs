//! The tally: what a check has found, by kind.

use std::fmt;

/// What a check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Bytes of frames that came back right and in order; without framing, bytes that were right.
    pub verified: u64,
    /// Frames that did not come back.
    pub lost: u64,
    /// Frames that came back once more.
    pub duplicated: u64,
    /// Frames that came back after a later one.
    pub reordered: u64,
    /// Frames that came back wrong.
    pub mismatched: u64,
    /// Bytes that came back.
    pub bytes: u64,
    /// The first thing that was wrong, and after how many bytes the wrong frame begins; without framing, the wrong byte.
    pub first_fault: Option<(Fault, u64)>,
}

/// What was wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A byte of it was not the one that was sent.
    Content,
    /// Its number is none that was sent on this connection.
    Number,
    /// More came back than was sent.
    Excess,
    /// Its length prefix gives so many bytes of payload, which no frame had: where frames end is not known any more.
    Length(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Content => f.write_str("a byte that is not the one sent"),
            Fault::Number => f.write_str("a frame whose number was never sent on its connection"),
            Fault::Excess => f.write_str("more bytes than were sent"),
            Fault::Length(length) => {
                write!(f, "a length prefix of {length} bytes, which no frame had: the rest could not be cut")
            }
        }
    }
}
