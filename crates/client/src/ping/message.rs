//! The message: one frame of a ping, with its number in it, so that a reply to another frame is not taken for its own.

use echoctl_proto::{Buffer, Framing};

use super::PingConfig;
use crate::Error;

/// One frame of a fixed size, written over and over.
#[derive(Debug, Clone)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// Where the number stands: at the front of the payload, as many of its 16 digits as fit.
    number_at: usize,
    digits: usize,
}

impl Message {
    /// # Errors
    /// [`Error::FrameSize`] when no frame of this size can be made, or the payload would be empty.
    pub(super) fn new(framing: Framing, size: usize) -> Result<Message, Error> {
        let min = framing.overhead() + 1;
        let max = PingConfig::MAX_SIZE.min(framing.longest_payload().saturating_add(framing.overhead()));
        if !(min..=max).contains(&size) {
            return Err(Error::FrameSize { framing, size, min, max });
        }
        let payload = vec![b'.'; size - framing.overhead()];
        let mut frame = Buffer::new(size);
        framing
            .encode(&payload, &mut frame)
            .expect("invariant: the size was checked, and dots are no delimiter");
        Ok(Message {
            bytes: frame.unread().to_vec(),
            number_at: framing.prefix(),
            digits: payload.len().min(DIGITS),
        })
    }

    /// The frame with this number in it.
    pub(super) fn numbered(&mut self, number: u64) -> &[u8] {
        for place in 0..self.digits {
            let digit = (number >> (4 * place) & 15) as usize;
            self.bytes[self.number_at + self.digits - 1 - place] = HEX[digit];
        }
        &self.bytes
    }
}

/// Hexadecimal digits of a number.
const DIGITS: usize = 16;

const HEX: &[u8; 16] = b"0123456789abcdef";

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
    fn a_size_that_cannot_be_sent_is_refused() {
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
