//! Limits the rate of an attack: how many bytes may be sent by now.

use std::time::{Duration, Instant};

/// The pace: how many bytes may be sent by now.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// So many bytes a second.
    pub(super) fn new(rate: u64, now: Instant) -> TokenBucket {
        TokenBucket { rate: rate as f64, tokens: 0.0, filled: now }
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

/// The most that is saved when the server takes less than the rate.
const SAVED: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_keeps_its_rate_and_saves_little() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1000, start);
        assert_eq!(bucket.allowed(start + Duration::from_millis(10)), 10);
        bucket.spend(10);
        assert_eq!(bucket.allowed(start + Duration::from_millis(10)), 0);
        assert_eq!(bucket.allowed(start + Duration::from_secs(10)), 20);
    }
}
