//! The stimulus as a stream of bytes, for large writes.

use std::sync::Arc;

use crate::script::SendMode;

/// What a sender sends, and its position in it.
#[derive(Debug, Clone)]
pub(super) struct StimulusStream {
    /// Complete stimuli, several if they are small, so that writes are large. All connections share it, because it may be large.
    block: Arc<[u8]>,
    repeats: bool,
    at: usize,
    done: bool,
}

impl StimulusStream {
    pub(super) fn new(sent: &SendMode) -> StimulusStream {
        let (payload, repeats) = match sent {
            SendMode::Repeat(payload) => (payload.bytes(), true),
            SendMode::Once(payload) => (payload.bytes(), false),
        };
        let copies = if repeats { WRITE.div_ceil(payload.len().max(1)) } else { 1 };
        StimulusStream { done: payload.is_empty(), block: payload.repeat(copies).into(), repeats, at: 0 }
    }

    /// The next bytes to send; empty when there are no more.
    pub(super) fn next(&self) -> &[u8] {
        if self.done { &[] } else { &self.block[self.at..] }
    }

    /// Advances by `count` bytes that were sent.
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
        if self.at == self.block.len() {
            self.at = 0;
            self.done = !self.repeats;
        }
    }

    /// Compares `bytes` at `offset` of an echo with the input; returns the first offset that differs.
    pub(super) fn differs_at(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut at = (offset % self.block.len().max(1) as u64) as usize;
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
        let mut again = StimulusStream::new(&SendMode::Repeat(Payload::text("abc")));
        let length = again.next().len();
        assert!(length >= WRITE && length.is_multiple_of(3));
        again.advance(length - 1);
        assert_eq!(again.next(), b"c");
        again.advance(1);
        assert_eq!(again.next().len(), length);

        let mut once = StimulusStream::new(&SendMode::Once(Payload::text("abc")));
        once.advance(3);
        assert!(once.next().is_empty());
    }

    #[test]
    fn an_echo_is_compared_at_any_offset() {
        let stream = StimulusStream::new(&SendMode::Repeat(Payload::text("abc")));
        assert_eq!(stream.differs_at(1, b"bcabc"), None);
        assert_eq!(stream.differs_at(1, b"bcXbc"), Some(3));
        assert_eq!(stream.differs_at(stream.block.len() as u64 - 1, b"cab"), None);
    }
}
