//! Checks that enough bytes move for a wait to continue.
//!
//! A timeout since the last byte is not a bound: a peer that sends one byte per second never triggers it. So what
//! counts is how many bytes move within a window of time. It reads no clock: `now` is passed in.

use std::time::{Duration, Instant};

/// Watches a counter that only grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) window: Duration,
    /// Minimum growth of the counter per window.
    min_rise: u64,
    since: Instant,
    from: u64,
}

impl Progress {
    /// Starts with the counter at `moved`. It must grow by `min_rise` (at least 1) in each `window`.
    pub(crate) fn start(window: Duration, min_rise: u64, now: Instant, moved: u64) -> Progress {
        Progress { window, min_rise: min_rise.max(1), since: now, from: moved }
    }

    /// The growth of the counter, if a window has passed in which it was too small.
    pub(crate) fn is_too_slow(&mut self, now: Instant, moved: u64) -> Option<u64> {
        let rose = moved.saturating_sub(self.from);
        if rose >= self.min_rise {
            (self.since, self.from) = (now, moved);
            return None;
        }
        (now >= self.ends()).then_some(rose)
    }

    /// When to check again at the latest.
    pub(crate) fn ends(&self) -> Instant {
        self.since + self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_trickle_is_not_progress() {
        let start = Instant::now();
        let mut progress = Progress::start(5 * SECOND, 1000, start, 0);

        let looks = (1..100).map(|second: u32| progress.is_too_slow(start + second * SECOND, second.into()));

        assert_eq!(looks.enumerate().find_map(|(at, slow)| Some((at + 1, slow?))), Some((5, 5)));
    }

    #[test]
    fn enough_in_each_window_is_progress() {
        let start = Instant::now();
        let mut progress = Progress::start(5 * SECOND, 1000, start, 0);

        let slow = (1..100)
            .find_map(|second: u32| progress.is_too_slow(start + second * SECOND, u64::from(second) * 300));

        assert_eq!(slow, None);
    }
}
