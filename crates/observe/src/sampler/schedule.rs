//! When samples are due: at a constant interval, and additionally while bytes move fast.

use std::time::{Duration, Instant};

/// When samples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplingInterval {
    /// Time between two regular samples.
    pub time: Duration,
    /// Bytes produced after which an additional sample is taken; `None`: never.
    pub bytes: Option<u64>,
}

impl Default for SamplingInterval {
    /// Twenty per second, and one per 8 MiB: at 1 GiB/s, twenty samples per second would be 50 MiB apart, too few for a verdict.
    fn default() -> SamplingInterval {
        SamplingInterval { time: Duration::from_millis(50), bytes: Some(8 << 20) }
    }
}

/// Decides when samples are due. The caller passes the time and waits itself.
///
/// 1. Call [`due`](SamplingSchedule::due), and take a sample if it returns one.
/// 2. Wait for [`wait`](SamplingSchedule::wait), or for any event, and repeat.
#[derive(Debug)]
pub struct SamplingSchedule {
    interval: SamplingInterval,
    /// When the next regular sample is due; `None` before the first, which is due immediately.
    next: Option<Instant>,
    /// Bytes produced at the last sample.
    produced: u64,
}

/// Why a sample is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is time for a regular sample.
    Regular,
    /// Many bytes have moved: an additional sample, for verdicts and charts, not for printing.
    Bytes,
}

impl SamplingSchedule {
    /// A schedule whose first sample is due immediately.
    pub fn new(interval: SamplingInterval) -> SamplingSchedule {
        // An interval of centuries would overflow the clock.
        let interval = SamplingInterval { time: interval.time.min(MAX_INTERVAL), ..interval };
        SamplingSchedule { interval, next: None, produced: 0 }
    }

    /// Whether a sample is due at `now`, when the client has produced this many bytes. A late sample is not caught up: the next
    /// one is due a full interval later.
    pub fn due(&mut self, now: Instant, produced: u64) -> Option<Due> {
        let next = self.next.unwrap_or(now);
        let due = if now >= next {
            let regular = next + self.interval.time;
            self.next = Some(if regular > now { regular } else { now + self.interval.time });
            Due::Regular
        } else if self.interval.bytes.is_some_and(|bytes| produced.saturating_sub(self.produced) >= bytes) {
            Due::Bytes
        } else {
            return None;
        };
        self.produced = produced;
        Some(due)
    }

    /// Time until the next check.
    pub fn wait(&self, now: Instant) -> Duration {
        let left = self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now));
        if self.interval.bytes.is_some() { left.min(CHECK_INTERVAL) } else { left }
    }
}

/// Longer than any run.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);

/// Interval between checks for additional samples: at 1 GiB/s, 4 MiB move meanwhile. A check costs less than 1 µs per connection.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn samples_are_due_by_time_and_by_bytes() {
        let mut schedule = SamplingSchedule::new(SamplingInterval { time: 50 * MS, bytes: Some(1000) });
        let start = Instant::now();

        assert_eq!(schedule.due(start, 0), Some(Due::Regular), "the first one immediately");
        assert_eq!(schedule.due(start + MS, 999), None);
        assert_eq!(schedule.due(start + 2 * MS, 1000), Some(Due::Bytes));
        assert_eq!(schedule.due(start + 3 * MS, 1999), None);
        assert_eq!(schedule.due(start + 50 * MS, 1999), Some(Due::Regular));
        assert_eq!(schedule.due(start + 51 * MS, 2998), None, "a regular sample counts the bytes too");
    }

    #[test]
    fn a_late_sample_is_not_caught_up() {
        let mut schedule = SamplingSchedule::new(SamplingInterval { time: 50 * MS, bytes: None });
        let start = Instant::now();
        schedule.due(start, 0);

        assert_eq!(schedule.due(start + 510 * MS, 0), Some(Due::Regular));
        assert_eq!(schedule.due(start + 559 * MS, u64::MAX), None);
        assert_eq!(schedule.due(start + 560 * MS, 0), Some(Due::Regular));
    }

    #[test]
    fn the_wait_ends_at_the_next_sample_or_check() {
        let start = Instant::now();
        let schedule = |bytes| {
            let mut schedule = SamplingSchedule::new(SamplingInterval { time: 50 * MS, bytes });
            assert_eq!(schedule.wait(start), Duration::ZERO);
            schedule.due(start, 0);
            schedule
        };

        assert_eq!(schedule(Some(1)).wait(start), CHECK_INTERVAL);
        assert_eq!(schedule(None).wait(start + 20 * MS), 30 * MS);
        assert_eq!(schedule(None).wait(start + 60 * MS), Duration::ZERO);
    }

    #[test]
    fn an_interval_of_centuries_is_possible() {
        let mut schedule = SamplingSchedule::new(SamplingInterval { time: Duration::MAX, bytes: None });
        assert_eq!(schedule.due(Instant::now(), 0), Some(Due::Regular));
        assert_eq!(schedule.due(Instant::now(), 0), None);
    }
}
