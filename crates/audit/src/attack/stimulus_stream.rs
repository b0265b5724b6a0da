//! The stimulus as an endless or finite stream of bytes, for large writes.

use crate::script::SendMode;

/// What the senders send. All connections share it, because it may be large.
#[derive(Debug)]
pub(super) struct StimulusStream {
    /// Complete stimuli, several if they are small, so that writes are large.
    block: Vec<u8>,
    repeats: bool,
}

impl StimulusStream {
    pub(super) fn new(sent: &SendMode) -> StimulusStream {
        let (payload, repeats) = match sent {
            SendMode::Repeat(payload) => (payload.bytes(), true),
            SendMode::Once(payload) => (payload.bytes(), false),
        };
        let copies = if repeats { WRITE.div_ceil(payload.len().max(1)) } else { 1 };
        StimulusStream { block: payload.repeat(copies), repeats }
    }

    /// The next bytes of a sender that has sent `sent` bytes; empty when there are no more.
    pub(super) fn next(&self, sent: u64) -> &[u8] {
        let length = self.block.len() as u64;
        if length == 0 || (!self.repeats && sent >= length) {
            return &[];
        }
        &self.block[(sent % length) as usize..]
    }

    /// Compares `bytes` at `offset` of an echo with the input; returns the first offset that differs.
    pub(super) fn differs_at(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        if self.block.is_empty() {
            return (!bytes.is_empty()).then_some(offset);
        }
        let mut at = (offset % self.block.len() as u64) as usize;
        let mut compared = 0;
        while compared < bytes.len() {
            let length = (bytes.len() - compared).min(self.block.len() - at);
            let (sent, came) = (&self.block[at..at + length], &bytes[compared..compared + length]);
            if sent != came {
                let first = sent.iter().zip(came).position(|(a, b)| a != b).unwrap_or(0);
                return Some(offset + (compared + first) as u64);
            }
            compared += length;
            at = (at + length) % self.block.len();
        }
        None
    }
}

/// Bytes per write: large enough that system calls cost little, small enough that several connections alternate.
pub(super) const WRITE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Payload;

    #[test]
    fn a_repeated_stimulus_wraps_and_a_single_one_ends() {
        let again = StimulusStream::new(&SendMode::Repeat(Payload::text("abc")));
        let once = StimulusStream::new(&SendMode::Once(Payload::text("abc")));
        let length = again.next(0).len() as u64;

        assert!(length >= WRITE as u64 && length.is_multiple_of(3));
        assert_eq!(again.next(length - 1), b"c");
        assert_eq!(again.next(5 * length).len() as u64, length);
        assert_eq!((once.next(0), once.next(1), once.next(3)), (&b"abc"[..], &b"bc"[..], &b""[..]));
    }

    #[test]
    fn an_empty_stimulus_sends_nothing_and_has_no_echo() {
        let nothing = StimulusStream::new(&SendMode::Once(Payload::text("")));

        assert_eq!(nothing.next(0), b"");
        assert_eq!((nothing.differs_at(7, b""), nothing.differs_at(7, b"x")), (None, Some(7)));
    }

    #[test]
    fn an_echo_is_compared_at_any_offset() {
        let stream = StimulusStream::new(&SendMode::Repeat(Payload::text("abc")));

        assert_eq!(stream.differs_at(1, b"bcabc"), None);
        assert_eq!(stream.differs_at(1, b"bcXbc"), Some(3));
        assert_eq!(stream.differs_at(stream.block.len() as u64 - 1, b"cab"), None);
    }
}
