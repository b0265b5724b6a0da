//! What can be wrong with a frame that came back.

use std::fmt;

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
