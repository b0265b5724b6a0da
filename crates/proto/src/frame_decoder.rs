//! Finds frame boundaries in a byte stream without copying.
//!
//! It owns only a number: how many unread bytes it has already scanned. So a long line that arrives byte by byte costs one look
//! per byte, not one scan of the whole line each time.
//!
//! There are two questions to ask about the same unread bytes:
//!
//! ```text
//! unread:        o n e \n t w o \n t h r
//! decode:        |------|                     the first frame, with its payload
//! complete_len:  |--------------|             the length of all complete frames, to be passed on in one piece
//! ```
//!
//! # Contract
//!
//! 1. Pass all unread bytes, oldest first.
//! 2. Consume what the answer covers (`frame.bytes.len()` bytes, or the complete length) before asking again.
//! 3. On `None`, or a complete length of 0, append more bytes after the unread ones and ask again.
//! 4. After an error the stream cannot be decoded any further. Close it.

use memchr::{memchr, memrchr};
use thiserror::Error;

use crate::Framing;

/// Finds frames of one [`Framing`] at the front of unread bytes. See the module docs for the contract.
#[derive(Debug, Clone)]
pub struct FrameDecoder {
    framing: Framing,
    max_frame: usize,
    /// Number of unread bytes that are known to contain no delimiter.
    scanned: usize,
}

impl FrameDecoder {
    /// A decoder that refuses payloads of more than `max_frame` bytes. The maximum has no effect with [`Framing::Raw`].
    pub const fn new(framing: Framing, max_frame: usize) -> FrameDecoder {
        FrameDecoder { framing, max_frame, scanned: 0 }
    }

    /// The first frame of `unread`, or `None` while it is incomplete.
    ///
    /// # Errors
    /// [`FrameTooLong`] as soon as the payload is known to exceed the maximum: with the length prefix, or once `max_frame + 1`
    /// bytes contain no newline.
    pub fn decode<'a>(&mut self, unread: &'a [u8]) -> Result<Option<Frame<'a>>, FrameTooLong> {
        let Some(end) = self.first_end(unread)? else { return Ok(None) };
        let bytes = &unread[..end];
        let payload = match self.framing {
            Framing::Lines => &bytes[..end - 1],
            Framing::U16 | Framing::U32 => &bytes[self.framing.prefix()..],
            Framing::Raw => bytes,
        };
        Ok(Some(Frame { bytes, payload }))
    }

    /// Length of all complete frames at the front of `unread`, in bytes; 0 while the first is incomplete.
    ///
    /// # Errors
    /// [`FrameTooLong`] if the *first* frame exceeds the maximum. A later one is refused once it has become the first, so that
    /// the valid frames before it are not lost.
    pub fn complete_len(&mut self, unread: &[u8]) -> Result<usize, FrameTooLong> {
        match self.framing {
            Framing::Raw => Ok(unread.len()),
            Framing::Lines => self.complete_lines(unread),
            Framing::U16 => self.complete_prefixed::<2>(unread),
            Framing::U32 => self.complete_prefixed::<4>(unread),
        }
    }

    /// The framing that it decodes.
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Maximum payload in bytes.
    pub const fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// Where the first frame ends, or `None` while it is incomplete.
    fn first_end(&mut self, unread: &[u8]) -> Result<Option<usize>, FrameTooLong> {
        match self.framing {
            Framing::Raw => Ok(Some(unread.len()).filter(|&end| end > 0)),
            Framing::U16 => self.prefixed_end::<2>(unread),
            Framing::U32 => self.prefixed_end::<4>(unread),
            Framing::Lines => {
                let window = self.line_window(unread);
                match memchr(b'\n', &window[self.scanned..]) {
                    Some(at) => {
                        let end = self.scanned + at + 1;
                        self.scanned = 0;
                        Ok(Some(end))
                    }
                    None => self.incomplete_line(window.len()).map(|()| None),
                }
            }
        }
    }

    /// Searches backwards for the last newline, in windows of the maximum length of a line. A window without a newline is a
    /// line that is too long.
    fn complete_lines(&mut self, unread: &[u8]) -> Result<usize, FrameTooLong> {
        let mut end = 0;
        loop {
            let window = self.line_window(&unread[end..]);
            match memrchr(b'\n', &window[self.scanned..]) {
                Some(at) => {
                    let line_end = self.scanned + at + 1;
                    end += line_end;
                    // The search went backwards, so the rest of the window is known to contain no newline.
                    self.scanned = window.len() - line_end;
                }
                None if end > 0 && window.len() > self.max_frame => return Ok(end),
                None => return self.incomplete_line(window.len()).map(|()| end),
            }
        }
    }

    /// The bytes in which the next line must end: the longest payload and its newline.
    fn line_window<'a>(&self, unread: &'a [u8]) -> &'a [u8] {
        &unread[..unread.len().min(self.max_frame.saturating_add(1))]
    }

    /// Records that `length` bytes contain no newline, or refuses them if they exceed the maximum.
    fn incomplete_line(&mut self, length: usize) -> Result<(), FrameTooLong> {
        if length > self.max_frame {
            return Err(FrameTooLong { length: length as u64, max_frame: self.max_frame });
        }
        self.scanned = length;
        Ok(())
    }

    /// Walks from prefix to prefix. The position of each prefix depends on the one before, so the cost of a step is the wait for
    /// memory. After each frame it therefore continues in steps of the same length for as long as the prefix is the same, which
    /// the processor can do ahead of memory.
    fn complete_prefixed<const N: usize>(&self, unread: &[u8]) -> Result<usize, FrameTooLong> {
        let mut end = 0;
        loop {
            let length = match self.prefixed_end::<N>(&unread[end..]) {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(end),
                Err(_) if end > 0 => return Ok(end),
                Err(too_long) => return Err(too_long),
            };
            let prefix = unread[end..].first_chunk::<N>();
            end += length;
            while unread.len() - end >= length && unread[end..].first_chunk::<N>() == prefix {
                end += length;
            }
        }
    }

    /// Where a frame with an `N`-byte length prefix ends. It reads only the prefix, so there is nothing to record.
    #[inline]
    fn prefixed_end<const N: usize>(&self, unread: &[u8]) -> Result<Option<usize>, FrameTooLong> {
        let Some(prefix) = unread.first_chunk::<N>() else { return Ok(None) };
        let length = prefix.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
        if length > self.max_frame as u64 {
            return Err(FrameTooLong { length, max_frame: self.max_frame });
        }
        // Compared before the addition: on 32 bits, the sum of a length near 4 GiB and its prefix overflows.
        let length = length as usize;
        Ok((length <= unread.len() - N).then(|| N + length))
    }
}

/// One frame, borrowed from the unread bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All of its bytes, framing included: what to send back to echo it, and what to consume.
    pub bytes: &'a [u8],
    /// The message, without delimiter or length prefix.
    pub payload: &'a [u8],
}

/// The payload of a frame exceeds the maximum: the rest of the stream cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("frame of at least {length} bytes exceeds the maximum of {max_frame}")]
pub struct FrameTooLong {
    /// The declared length, or, where there is none, the bytes of the frame that have arrived.
    pub length: u64,
    /// Maximum payload in bytes.
    pub max_frame: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_len_covers_only_complete_frames() {
        let complete = |framing, unread: &[u8]| FrameDecoder::new(framing, 100).complete_len(unread).unwrap();

        assert_eq!(complete(Framing::Lines, b"one\ntwo\nthr"), 8);
        assert_eq!(complete(Framing::U16, b"\0\x01a\0\x02bc\0\x03d"), 7);
        assert_eq!(complete(Framing::U32, b"\0\0\0\x01a\0\0\0"), 5);
        assert_eq!(complete(Framing::Raw, b"anything"), 8);
        assert_eq!(complete(Framing::Lines, b""), 0);
    }

    #[test]
    fn runs_of_equal_prefixes_end_at_a_different_one() {
        let complete = |unread: &[u8]| FrameDecoder::new(Framing::U16, 3).complete_len(unread);

        assert_eq!(complete(b"\0\x01a\0\x01b\0\x02cd\0\x02ef\0\x02g"), Ok(14));
        assert_eq!(complete(b"\0\0\0\0\0\0\0"), Ok(6), "empty frames");
        assert_eq!(complete(b"\0\x01a\0\x01b\0"), Ok(6), "half a prefix");
        assert_eq!(
            complete(b"\0\x01a\0\x01b\0\x04"),
            Ok(6),
            "one that is too long is refused when it is the first"
        );
    }

    #[test]
    fn a_frame_may_have_the_maximum_but_not_a_byte_more() {
        for (framing, good, bad) in [
            (Framing::Lines, &b"1234\n"[..], &b"12345"[..]),
            (Framing::U16, b"\0\x041234", b"\0\x05"),
            (Framing::U32, b"\0\0\0\x041234", b"\0\0\0\x05"),
        ] {
            let refused = Err(FrameTooLong { length: 5, max_frame: 4 });

            assert_eq!(FrameDecoder::new(framing, 4).complete_len(good), Ok(good.len()), "{framing}");
            assert_eq!(FrameDecoder::new(framing, 4).complete_len(bad), refused, "{framing}");
            assert_eq!(FrameDecoder::new(framing, 4).decode(bad).map(|_| 0), refused, "{framing}");
        }
    }

    #[test]
    fn valid_frames_before_a_long_one_are_not_lost() {
        let mut decoder = FrameDecoder::new(Framing::Lines, 4);

        assert_eq!(decoder.complete_len(b"ok\nfine\nmuch too long"), Ok(8));
        assert!(decoder.complete_len(b"much too long").is_err());
    }

    #[test]
    fn a_declared_length_is_refused_before_any_payload() {
        assert!(FrameDecoder::new(Framing::U32, 1 << 20).decode(b"\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn an_incomplete_line_is_scanned_once() {
        let mut decoder = FrameDecoder::new(Framing::Lines, 1000);
        assert_eq!(decoder.decode(b"unfinished"), Ok(None));

        // The newline is where the decoder has scanned already, so a second scan would find it.
        assert_eq!(decoder.decode(b"unf\nnished and more"), Ok(None));
    }
}
