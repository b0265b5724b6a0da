//! Framing: marks where messages end in a byte stream that has no message boundaries of its own.
//!
//! ```text
//! lines   h e l l o \n              newline-delimited: the payload cannot contain a newline
//! u16     00 05 h e l l o           length-prefixed: 2 bytes, big-endian (DNS over TCP: RFC 1035, section 4.2.2)
//! u32     00 00 00 05 h e l l o     length-prefixed: 4 bytes, big-endian
//! raw     h e l l o                 none: a frame is whatever one read returns
//! ```
//!
//! A delimiter requires a look at every byte, but a receiver that lost a byte resynchronises at the next one. A length requires
//! one look per frame and allows any payload, but a receiver that lost a byte never resynchronises. Decoding is done by
//! [`FrameDecoder`](crate::FrameDecoder).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::{Buffer, BufferError};

/// How frame boundaries are marked in the byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Each frame ends with `\n`. A `\r` before it belongs to the payload.
    Lines,
    /// Each payload is prefixed with its length in 2 bytes, big-endian: at most 65,535 bytes, as in DNS over TCP.
    U16,
    /// Each payload is prefixed with its length in 4 bytes, big-endian.
    U32,
    /// No framing: a frame is whatever one read returns.
    Raw,
}

impl Framing {
    /// All framings, in the order of the documentation.
    pub const ALL: [Framing; 4] = [Framing::Lines, Framing::U16, Framing::U32, Framing::Raw];

    /// Appends `payload` to `out` as one frame.
    ///
    /// # Errors
    /// If this framing cannot express the payload, or `out` has no room. Then `out` is unchanged.
    pub fn encode(self, payload: &[u8], out: &mut Buffer) -> Result<(), EncodeError> {
        if payload.len() > self.longest_payload() {
            return Err(EncodeError::TooLong {
                framing: self,
                length: payload.len(),
                longest: self.longest_payload(),
            });
        }
        if self == Framing::Lines && memchr::memchr(b'\n', payload).is_some() {
            return Err(EncodeError::Delimiter);
        }
        // In one step, so that the second append cannot be refused after the first was not.
        out.reserve(self.overhead() + payload.len())?;
        match self {
            Framing::Lines => out.append(payload).and_then(|()| out.append(b"\n"))?,
            Framing::U16 => {
                out.append(&(payload.len() as u16).to_be_bytes()).and_then(|()| out.append(payload))?
            }
            Framing::U32 => {
                out.append(&(payload.len() as u32).to_be_bytes()).and_then(|()| out.append(payload))?
            }
            Framing::Raw => out.append(payload)?,
        }
        Ok(())
    }

    /// Bytes that framing adds to each payload.
    pub const fn overhead(self) -> usize {
        match self {
            Framing::Lines => 1,
            Framing::U16 => 2,
            Framing::U32 => 4,
            Framing::Raw => 0,
        }
    }

    /// Size of the length prefix in bytes; 0 for framings without one.
    pub const fn prefix(self) -> usize {
        match self {
            Framing::Lines | Framing::Raw => 0,
            Framing::U16 => 2,
            Framing::U32 => 4,
        }
    }

    /// Maximum payload in bytes that this framing can express.
    pub const fn longest_payload(self) -> usize {
        match self {
            Framing::U16 => u16::MAX as usize,
            Framing::U32 => u32::MAX as usize,
            Framing::Lines | Framing::Raw => usize::MAX,
        }
    }

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Framing::Lines => "lines",
            Framing::U16 => "u16",
            Framing::U32 => "u32",
            Framing::Raw => "raw",
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Framing {
    type Err = UnknownFraming;

    fn from_str(name: &str) -> Result<Framing, UnknownFraming> {
        Framing::ALL
            .into_iter()
            .find(|framing| framing.name() == name)
            .ok_or_else(|| UnknownFraming(name.to_owned()))
    }
}

/// A payload that cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The length field cannot hold the payload's length.
    #[error("payload of {length} bytes exceeds the maximum of {framing} framing, {longest} bytes")]
    TooLong {
        /// The framing.
        framing: Framing,
        /// Length of the payload in bytes.
        length: usize,
        /// Maximum payload of this framing in bytes.
        longest: usize,
    },
    /// A line cannot contain its own delimiter.
    #[error("payload contains a newline, which ends a frame of lines framing")]
    Delimiter,
    /// The buffer has no room for the frame.
    #[error(transparent)]
    Buffer(#[from] BufferError),
}

/// A name that is not a framing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown framing '{0}': expected lines, u16, u32 or raw")]
pub struct UnknownFraming(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_framing_marks_the_payload_as_documented() {
        let encoded = |framing: Framing| {
            let mut out = Buffer::new(100);
            framing.encode(b"hello", &mut out).unwrap();
            out.unread().to_vec()
        };

        assert_eq!(encoded(Framing::Lines), b"hello\n");
        assert_eq!(encoded(Framing::U16), b"\0\x05hello");
        assert_eq!(encoded(Framing::U32), b"\0\0\0\x05hello");
        assert_eq!(encoded(Framing::Raw), b"hello");
    }

    #[test]
    fn a_failed_encode_leaves_the_buffer_unchanged() {
        let mut out = Buffer::new(10);

        assert_eq!(Framing::Lines.encode(b"two\nlines", &mut out), Err(EncodeError::Delimiter));
        assert!(matches!(Framing::U16.encode(&[0; 65536], &mut out), Err(EncodeError::TooLong { .. })));
        assert!(matches!(Framing::U32.encode(b"7 bytes", &mut out), Err(EncodeError::Buffer(_))));
        assert!(out.is_empty());
    }

    #[test]
    fn names_parse() {
        for framing in Framing::ALL {
            assert_eq!(framing.name().parse(), Ok(framing));
        }
        assert!("json".parse::<Framing>().is_err());
    }
}
