//! Decides when the next bytes may be sent or read, so that their rate is constant.
//!
//! There are two reasons to be late, and they are handled differently:
//!
//! ```text
//! due      |----|----|----|----|----|----|            one chunk each
//! timer    |------|--|---|-----|----|----|            a timer fires late: caught up, or the rate would be too low
//! peer     |----|#########|----|----|----|            the peer stalls: not caught up, the plan is postponed
//! ```
//!
//! If stalls were caught up, a server that resumes reading would receive a burst, and the growth of its memory would
//! look like a jump.
//!
//! It reads no clock: `now` is passed in.

use std::time::{Duration, Instant};

/// Paces one direction of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    /// Bytes per second; `None`: no limit.
    rate: Option<u64>,
    /// When the next byte is due.
    due: Instant,
}

impl Pacer {
    /// A pacer of `rate` bytes per second, if there is a limit, whose first byte is due at `now`.
    pub(crate) fn new(rate: Option<u64>, now: Instant) -> Pacer {
        Pacer { rate: rate.map(|rate| rate.max(1)), due: now }
    }

    /// When to ask again; `None`: the next chunk is due now.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Instant> {
        self.rate?;
        if self.due > now {
            return Some(self.due);
        }
        if now - self.due > MAX_CATCH_UP {
            self.due = now - MAX_CATCH_UP;
        }
        None
    }

    /// Bytes to move at a time, at most `max`: few enough that the rate looks constant, and enough that thousands of
    /// slow connections do not only wake up.
    pub(crate) fn chunk(&self, max: usize) -> usize {
        let Some(rate) = self.rate else { return max };
        let chunk = (rate / CHUNKS_PER_SECOND).max(MIN_CHUNK.min(rate / MIN_CHUNKS_PER_SECOND)).max(1);
        max.min(usize::try_from(chunk).unwrap_or(usize::MAX))
    }

    /// Records that `bytes` have moved.
    pub(crate) fn record(&mut self, bytes: usize) {
        if let Some(rate) = self.rate {
            self.due += Duration::from_nanos((bytes as u128 * 1_000_000_000 / u128::from(rate)) as u64);
        }
    }

    /// Postpones the plan by the time that the peer was stalled.
    pub(crate) fn postpone(&mut self, held_back: Duration) {
        self.due += held_back;
    }

    /// Removes the limit of the rate.
    pub(crate) fn remove_limit(&mut self) {
        self.rate = None;
    }
}

/// Chunks per second, for chunks smaller than a write. More would cost wake-ups; fewer would look like steps in a
/// chart with 20 samples per second.
const CHUNKS_PER_SECOND: u64 = 100;

/// Bytes. Smaller chunks are avoided, since writing this many costs little more than writing one.
const MIN_CHUNK: u64 = 4096;

/// Chunks per second at the slowest rates, if that is at least one byte each.
const MIN_CHUNKS_PER_SECOND: u64 = 4;

/// Maximum lateness that is caught up. More (after the machine was suspended) would cause a burst.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Moves chunks of up to 1,000 bytes until `until`; timers fire late by `lateness`.
    fn run(
        pacer: &mut Pacer,
        from: Instant,
        until: Instant,
        mut lateness: impl FnMut(u32) -> Duration,
    ) -> u64 {
        let (mut now, mut moved, mut turn) = (from, 0, 0);
        while now < until {
            match pacer.wait(now) {
                Some(due) => now = due + lateness(turn),
                None => {
                    let chunk = pacer.chunk(1000);
                    pacer.record(chunk);
                    moved += chunk as u64;
                }
            }
            turn += 1;
        }
        moved
    }

    #[test]
    fn late_timers_do_not_lower_the_rate() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(1_000_000), start);

        let moved = run(&mut pacer, start, start + 1000 * MS, |turn| MS * (turn % 23));

        assert!((950_000..=1_050_000).contains(&moved), "{moved}");
    }

    #[test]
    fn a_stall_is_not_followed_by_a_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(1_000_000), start);
        run(&mut pacer, start, start + 100 * MS, |_| Duration::ZERO);

        pacer.postpone(400 * MS);
        let moved = run(&mut pacer, start + 500 * MS, start + 510 * MS, |_| Duration::ZERO);

        assert!(moved <= 11_000, "{moved} bytes in 10 ms at 1 MB/s");
    }

    #[test]
    fn hours_of_suspension_are_not_caught_up() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(1_000_000), start);

        let moved = run(&mut pacer, start + 3_600_000 * MS, start + 3_600_001 * MS, |_| Duration::ZERO);

        assert!(moved <= 502_000, "{moved}");
    }

    #[test]
    fn slow_rates_move_small_chunks() {
        let now = Instant::now();

        assert_eq!(Pacer::new(Some(1), now).chunk(65536), 1);
        assert_eq!(Pacer::new(Some(1000), now).chunk(65536), 250);
        assert_eq!(Pacer::new(Some(32 << 10), now).chunk(65536), 4096);
        assert_eq!(Pacer::new(Some(1 << 20), now).chunk(65536), 10485);
        assert_eq!(Pacer::new(Some(1 << 30), now).chunk(65536), 65536);
        assert_eq!(Pacer::new(None, now).chunk(65536), 65536);
    }

    #[test]
    fn without_a_limit_there_is_no_wait() {
        let now = Instant::now();
        let mut pacer = Pacer::new(Some(10), now);
        pacer.record(1000);
        assert!(pacer.wait(now).is_some());

        pacer.remove_limit();

        assert_eq!(pacer.wait(now), None);
    }
}
