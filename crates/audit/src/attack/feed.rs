//! The feed: the stimulus as a stream without end, handed out in large pieces at a given rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::script::Sent;

/// What a sender sends, and how far it has got.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    /// Whole stimuli, several if they are small, so that a write is large. All connections share it: it may be large.
    block: Arc<[u8]>,
    repeats: bool,
    at: usize,
    done: bool,
}

impl Feed {
    pub(super) fn new(sent: &Sent) -> Feed {
        let (payload, repeats) = match sent {
            Sent::Repeat(payload) => (payload.bytes(), true),
            Sent::Once(payload) => (payload.bytes(), false),
        };
        let copies = if repeats { WRITE.div_ceil(payload.len().max(1)) } else { 1 };
        Feed { done: payload.is_empty(), block: payload.repeat(copies).into(), repeats, at: 0 }
    }

    /// The next bytes to send; empty when there are no more.
    pub(super) fn next(&self) -> &[u8] {
        if self.done { &[] } else { &self.block[self.at..] }
    }

    /// Notes that `count` of them were sent.
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
        if self.at == self.block.len() {
            self.at = 0;
            self.done = !self.repeats;
        }
    }

    /// Compares `bytes`, which stand at `offset` of an echo, with what was sent; returns the first place that differs.
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

/// The pace: how many bytes may be sent by now.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    /// So many bytes a second.
    pub(super) fn new(rate: u64, now: Instant) -> Pace {
        Pace { rate: rate as f64, tokens: 0.0, filled: now }
    }

    /// Bytes that may be sent now. What a slow server left unused is not saved for later, but for a moment's worth.
    pub(super) fn allowed(&mut self, now: Instant) -> u64 {
        self.tokens += self.rate * (now - self.filled).as_secs_f64();
        self.tokens = self.tokens.min(self.rate * SAVED.as_secs_f64());
        self.filled = now;
        self.tokens.max(0.0) as u64
    }

    /// Notes that `bytes` were sent.
    pub(super) fn spend(&mut self, bytes: u64) {
        self.tokens -= bytes as f64;
    }

    /// Forgets the rate: as fast as it goes.
    pub(super) fn lift(&mut self) {
        self.rate = f64::MAX / 1e6;
    }
}

/// A write: large enough that the calls cost nothing, small enough that several connections take turns.
pub(super) const WRITE: usize = 64 << 10;

/// The most that is saved when the server takes less than the rate.
const SAVED: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Payload;

    #[test]
    fn a_repeated_stimulus_goes_round_and_a_single_one_ends() {
        let mut again = Feed::new(&Sent::Repeat(Payload::text("abc")));
        let length = again.next().len();
        assert!(length >= WRITE && length.is_multiple_of(3));
        again.advance(length - 1);
        assert_eq!(again.next(), b"c");
        again.advance(1);
        assert_eq!(again.next().len(), length);

        let mut once = Feed::new(&Sent::Once(Payload::text("abc")));
        once.advance(3);
        assert!(once.next().is_empty());
    }

    #[test]
    fn an_echo_is_compared_at_any_offset() {
        let feed = Feed::new(&Sent::Repeat(Payload::text("abc")));
        assert_eq!(feed.differs_at(1, b"bcabc"), None);
        assert_eq!(feed.differs_at(1, b"bcXbc"), Some(3));
        assert_eq!(feed.differs_at(feed.block.len() as u64 - 1, b"cab"), None);
    }

    #[test]
    fn the_pace_keeps_its_rate_and_saves_little() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start);
        assert_eq!(pace.allowed(start + Duration::from_millis(10)), 10);
        pace.spend(10);
        assert_eq!(pace.allowed(start + Duration::from_millis(10)), 0);
        assert_eq!(pace.allowed(start + Duration::from_secs(10)), 20);
    }
}
