//! One frame of a ping, with its number in it, so that a reply to another frame is detected.

use std::ops::Range;

use echoctl_proto::{Buffer, Framing};

use super::PingConfig;
use crate::Error;

/// One frame of a fixed size, reused with different numbers.
#[derive(Debug, Clone)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// Where the number is: at the start of the payload. As many of its 16 digits as fit are written.
    number: Range<usize>,
}

impl Message {
    /// # Errors
    /// [`Error::Invalid`] if no frame has this size, or its payload would be empty.
    pub(super) fn new(framing: Framing, size: usize) -> Result<Message, Error> {
        let min = framing.overhead() + 1;
        let max = PingConfig::MAX_SIZE.min(framing.longest_payload().saturating_add(framing.overhead()));
        if !(min..=max).contains(&size) {
            return Err(Error::frame_size(framing, size, (min, max)));
        }
        let payload = vec![b'.'; size - framing.overhead()];
        let mut frame = Buffer::new(size);
        framing
            .encode(&payload, &mut frame)
            .expect("invariant: the size was checked, and a dot is not a delimiter");
        let start = framing.prefix();
        Ok(Message { bytes: frame.unread().to_vec(), number: start..start + payload.len().min(DIGITS) })
    }

    /// The frame with this number in it.
    pub(super) fn numbered(&mut self, number: u64) -> &[u8] {
        for (place, digit) in self.bytes[self.number.clone()].iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
        }
        &self.bytes
    }
}

/// Maximum number of hexadecimal digits of a number.
const DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_frame_with_its_number_in_it() {
        let numbered = |framing, size| Message::new(framing, size).unwrap().numbered(0x1234abc).to_vec();

        assert_eq!(numbered(Framing::Lines, 20), b"0000000001234abc...\n");
        assert_eq!(numbered(Framing::U16, 6), b"\0\x044abc");
        assert_eq!(numbered(Framing::Raw, 1), b"c");
    }

    #[test]
    fn an_invalid_size_is_refused() {
        for (framing, size) in [
            (Framing::Lines, 1),
            (Framing::U16, 2),
            (Framing::U32, 4),
            (Framing::Raw, 0),
            (Framing::U16, 65538),
        ] {
            assert!(Message::new(framing, size).is_err(), "{framing} {size}");
        }
    }
}
