//! Progress: whether enough moves for a wait to go on.
//!
//! A timeout since the last byte is no bound: a peer that sends one byte a second never meets it. So what counts is how much
//! moves within a window of time. It reads no clock: `now` is passed in.

use std::time::{Duration, Instant};

/// Watches a counter that only rises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    window: Duration,
    /// By how much the counter must rise in a window.
    min_rise: u64,
    since: Instant,
    from: u64,
}

impl Progress {
    /// Begins with the counter at `moved`, which must rise by `min_rise` (at least 1) in each `window`.
    pub(crate) fn start(window: Duration, min_rise: u64, now: Instant, moved: u64) -> Progress {
        Progress { window, min_rise: min_rise.max(1), since: now, from: moved }
    }

    /// By how much the counter rose, if a window has passed in which that was too little.
    pub(crate) fn is_too_slow(&mut self, now: Instant, moved: u64) -> Option<u64> {
        let rose = moved.saturating_sub(self.from);
        if rose >= self.min_rise {
            (self.since, self.from) = (now, moved);
            return None;
        }
        (now >= self.ends()).then_some(rose)
    }

    /// When to look again at the latest.
    pub(crate) fn ends(&self) -> Instant {
        self.since + self.window
    }

    /// Its window.
    pub(crate) fn window(&self) -> Duration {
        self.window
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
    fn enough_in_each_window_goes_on() {
        let start = Instant::now();
        let mut progress = Progress::start(5 * SECOND, 1000, start, 0);

        let slow = (1..100)
            .find_map(|second: u32| progress.is_too_slow(start + second * SECOND, u64::from(second) * 300));

        assert_eq!(slow, None);
    }
}
