//! The decoder: finds where frames end in bytes that are still in their buffer.
//!
//! It copies nothing and owns nothing but a number: how many of the unread bytes it has already searched in vain. So a
//! long line that arrives a byte at a time costs one look a byte, not one look at the whole line each time.
//!
//! Two questions can be asked of the same unread bytes:
//!
//! ```text
//! unread:   o n e \n t w o \n t h r
//! cut:      |------|                     the first frame, with its payload
//! whole:    |--------------|             the extent of all whole frames, to be passed on in one piece
//! ```
//!
//! # Contract
//!
//! 1. Ask with all unread bytes, oldest first.
//! 2. Consume what the answer covers (`frame.bytes.len()` bytes of a cut, or all of the extent) before asking again.
//! 3. On `None`, or an extent of 0, append more bytes behind the unread ones and ask again.
//! 4. After an error the stream cannot be cut any more: close it.

use memchr::{memchr, memrchr};
use thiserror::Error;

use crate::Framing;

/// Cuts frames of one [`Framing`] from the front of unread bytes. See the module docs for the contract.
#[derive(Debug, Clone)]
pub struct FrameDecoder {
    framing: Framing,
    max_frame: usize,
    /// Unread bytes known to contain no delimiter.
    scanned: usize,
}

impl FrameDecoder {
    /// A decoder that refuses payloads of more than `max_frame` bytes. With [`Framing::Raw`] the maximum has no meaning.
    pub const fn new(framing: Framing, max_frame: usize) -> FrameDecoder {
        FrameDecoder { framing, max_frame, scanned: 0 }
    }

    /// The first frame of `unread`, or `None` while it is not whole.
    ///
    /// # Errors
    /// [`FrameTooLong`] once the payload is known to pass the maximum: a length prefix tells at once, a line as soon as
    /// `max_frame + 1` bytes hold no newline.
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

    /// How many bytes at the front of `unread` are whole frames; 0 while the first is not.
    ///
    /// # Errors
    /// [`FrameTooLong`] when the *first* frame passes the maximum. A later one is refused when it has become the first,
    /// so that the good frames before it are not lost.
    pub fn complete_len(&mut self, unread: &[u8]) -> Result<usize, FrameTooLong> {
        match self.framing {
            Framing::Raw => Ok(unread.len()),
            Framing::Lines => self.complete_lines(unread),
            Framing::U16 => self.complete_prefixed::<2>(unread),
            Framing::U32 => self.complete_prefixed::<4>(unread),
        }
    }

    /// The framing it cuts.
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// The most bytes of payload that it accepts.
    pub const fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// Where the first frame ends, or `None` while it is not whole.
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
                    None => self.unfinished_line(window.len()).map(|()| None),
                }
            }
        }
    }

    /// Looks for the last newline in windows as long as the longest line may be: a window without one is a line too long.
    fn complete_lines(&mut self, unread: &[u8]) -> Result<usize, FrameTooLong> {
        let mut end = 0;
        loop {
            let window = self.line_window(&unread[end..]);
            match memrchr(b'\n', &window[self.scanned..]) {
                Some(at) => {
                    let line_end = self.scanned + at + 1;
                    end += line_end;
                    // The search came from behind, so what follows the newline within the window is known already.
                    self.scanned = window.len() - line_end;
                }
                None if end > 0 && window.len() > self.max_frame => return Ok(end),
                None => return self.unfinished_line(window.len()).map(|()| end),
            }
        }
    }

    /// The bytes in which the next line must end: the longest payload and its newline.
    fn line_window<'a>(&self, unread: &'a [u8]) -> &'a [u8] {
        &unread[..unread.len().min(self.max_frame.saturating_add(1))]
    }

    /// Remembers that `length` bytes hold no newline, or refuses them when no line may be so long.
    fn unfinished_line(&mut self, length: usize) -> Result<(), FrameTooLong> {
        if length > self.max_frame {
            return Err(FrameTooLong { length: length as u64, max_frame: self.max_frame });
        }
        self.scanned = length;
        Ok(())
    }

    /// Walks from prefix to prefix. Where each stands is known only when the one before has come from memory, and that wait is
    /// all it costs; so after each frame it goes on in steps of the same length for as long as the prefix is the same one,
    /// which the processor can do ahead of memory.
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

    /// Where a frame led by an `N`-byte length ends. Only the length is looked at, so nothing is worth remembering.
    #[inline]
    fn prefixed_end<const N: usize>(&self, unread: &[u8]) -> Result<Option<usize>, FrameTooLong> {
        let Some(prefix) = unread.first_chunk::<N>() else { return Ok(None) };
        let length = prefix.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
        if length > self.max_frame as u64 {
            return Err(FrameTooLong { length, max_frame: self.max_frame });
        }
        // Compared before it is added to: on 32 bits a length near 4 GiB and its prefix have no sum.
        let length = length as usize;
        Ok((length <= unread.len() - N).then(|| N + length))
    }
}

/// One frame, still in the bytes it was cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All of its bytes, marks included: what to send back to echo it, and what to consume.
    pub bytes: &'a [u8],
    /// What the sender wanted to say.
    pub payload: &'a [u8],
}

/// A frame's payload passes the maximum: the stream cannot be cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a frame of {length} bytes or more passes the maximum of {max_frame} (see --max-frame)")]
pub struct FrameTooLong {
    /// The declared length, or, where there is none, as much of the frame as has arrived.
    pub length: u64,
    /// The most bytes of payload that were accepted.
    pub max_frame: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extent_covers_whole_frames_alone() {
        let whole = |framing, unread: &[u8]| FrameDecoder::new(framing, 100).complete_len(unread).unwrap();

        assert_eq!(whole(Framing::Lines, b"one\ntwo\nthr"), 8);
        assert_eq!(whole(Framing::U16, b"\0\x01a\0\x02bc\0\x03d"), 7);
        assert_eq!(whole(Framing::U32, b"\0\0\0\x01a\0\0\0"), 5);
        assert_eq!(whole(Framing::Raw, b"anything"), 8);
        assert_eq!(whole(Framing::Lines, b""), 0);
    }

    #[test]
    fn runs_of_one_length_end_where_another_length_or_a_part_of_a_frame_begins() {
        let whole = |unread: &[u8]| FrameDecoder::new(Framing::U16, 3).complete_len(unread);

        assert_eq!(whole(b"\0\x01a\0\x01b\0\x02cd\0\x02ef\0\x02g"), Ok(14));
        assert_eq!(whole(b"\0\0\0\0\0\0\0"), Ok(6), "empty frames");
        assert_eq!(whole(b"\0\x01a\0\x01b\0"), Ok(6), "half a prefix");
        assert_eq!(whole(b"\0\x01a\0\x01b\0\x04"), Ok(6), "one too long is refused when it is the first");
    }

    #[test]
    fn a_frame_of_the_maximum_passes_and_one_byte_more_is_refused() {
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
    fn good_frames_before_a_long_one_are_not_lost() {
        let mut decoder = FrameDecoder::new(Framing::Lines, 4);

        assert_eq!(decoder.complete_len(b"ok\nfine\nmuch too long"), Ok(8));
        assert!(decoder.complete_len(b"much too long").is_err());
    }

    #[test]
    fn a_promised_length_is_refused_before_any_payload_has_come() {
        assert!(FrameDecoder::new(Framing::U32, 1 << 20).decode(b"\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn an_unfinished_line_is_searched_once() {
        let mut decoder = FrameDecoder::new(Framing::Lines, 1000);
        assert_eq!(decoder.decode(b"unfinished"), Ok(None));

        // The newline stands where the decoder has already looked, so a second look would find it.
        assert_eq!(decoder.decode(b"unf\nnished and more"), Ok(None));
    }
}
