//! Limits the rate of an attack.

use std::time::{Duration, Instant};

/// A token bucket: one token per byte.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A bucket that fills with `rate` bytes per second.
    pub(super) fn new(rate: u64, now: Instant) -> TokenBucket {
        TokenBucket { rate: rate as f64, tokens: 0.0, filled: now }
    }

    /// Bytes that may be sent now. Tokens that a slow server leaves unused are saved only up to [`SAVED`].
    pub(super) fn allowed(&mut self, now: Instant) -> u64 {
        self.tokens += self.rate * (now - self.filled).as_secs_f64();
        self.tokens = self.tokens.min(self.most());
        self.filled = now;
        self.tokens.max(0.0) as u64
    }

    /// The smallest write that is worth its system call while the rate allows more soon.
    pub(super) fn worthwhile(&self) -> u64 {
        (self.most() as u64).min(SMALLEST)
    }

    /// The most tokens that are saved.
    fn most(&self) -> f64 {
        (self.rate * SAVED.as_secs_f64()).max(1.0)
    }

    /// Takes tokens for `bytes` that were sent.
    pub(super) fn spend(&mut self, bytes: u64) {
        self.tokens -= bytes as f64;
    }

    /// Removes the rate limit.
    pub(super) fn lift(&mut self) {
        self.rate = f64::MAX / 1e6;
    }
}

/// Time whose tokens are saved while the server reads more slowly than the rate.
const SAVED: Duration = Duration::from_millis(20);

/// Bytes of a write that costs little more than a large one.
const SMALLEST: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_limits_the_rate_and_saves_little() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1000, start);
        assert_eq!(bucket.allowed(start + Duration::from_millis(10)), 10);
        bucket.spend(10);
        assert_eq!(bucket.allowed(start + Duration::from_millis(10)), 0);
        assert_eq!(bucket.allowed(start + Duration::from_secs(10)), 20);
    }

    #[test]
    fn a_slow_rate_adds_up_to_whole_bytes() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(100, start);

        let sent: u64 = (1..=1000)
            .map(|millis| {
                let allowed = bucket.allowed(start + Duration::from_millis(millis));
                bucket.spend(allowed);
                allowed
            })
            .sum();

        assert!((99..=100).contains(&sent), "{sent} of 100 bytes in a second");
    }

    #[test]
    fn even_a_very_slow_rate_allows_a_worthwhile_write() {
        for rate in [1, 100, 100_000, 1 << 30] {
            let start = Instant::now();
            let mut bucket = TokenBucket::new(rate, start);

            assert!(bucket.allowed(start + Duration::from_secs(2)) >= bucket.worthwhile(), "{rate}");
            assert!(bucket.worthwhile() >= 1, "{rate}");
        }
    }

    #[test]
    fn a_lifted_bucket_allows_any_write() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1, start);

        bucket.lift();

        assert!(bucket.allowed(start + Duration::from_nanos(1)) > 1 << 30);
        bucket.spend(1 << 30);
        assert!(bucket.allowed(start + Duration::from_nanos(2)) > 1 << 30);
    }
}
