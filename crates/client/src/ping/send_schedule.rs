//! Computes when ping number *n* is due. It reads no clock: `now` is passed in.

use std::time::{Duration, Instant};

use super::PingConfig;

/// When pings are due, and when there are no more.
#[derive(Debug, Clone)]
pub(super) struct SendSchedule {
    /// When the first ping is due.
    first: Instant,
    /// Pings per second; `None`: each is due as soon as a connection is free.
    rate: Option<u64>,
    count: u64,
    end: Option<Instant>,
}

impl SendSchedule {
    /// The schedule of a ping that starts at `started`.
    pub(super) fn new(started: Instant, config: &PingConfig) -> SendSchedule {
        SendSchedule {
            first: started + config.rate.map_or(Duration::ZERO, |_| config.phase),
            rate: config.rate.map(|rate| rate.max(1)),
            count: config.count.unwrap_or(u64::MAX),
            // A time beyond the clock's range counts as no limit.
            end: config.duration.and_then(|duration| started.checked_add(duration)),
        }
    }

    /// When ping `number` is due, which may be in the past: its time counts from then. `None` if there is no such
    /// ping, or if it is too late for it.
    pub(super) fn due(&self, number: u64, now: Instant) -> Option<Instant> {
        let due = self.rate.map_or(now, |rate| self.first + after(number, rate));
        let is_in_time = self.end.is_none_or(|end| now < end && due < end);
        (number < self.count && is_in_time).then_some(due)
    }

    /// Number of pings due before `now`; `None` in a closed loop.
    pub(super) fn due_before(&self, now: Instant) -> Option<u64> {
        let rate = self.rate?;
        let until = self.end.map_or(now, |end| end.min(now));
        let due =
            (until.saturating_duration_since(self.first).as_nanos() * u128::from(rate)).div_ceil(SECOND);
        Some(self.count.min(due.min(u128::from(u64::MAX)) as u64))
    }
}

/// Time from the first ping to number `number` at `rate`. Computed from the number, so that rounding errors do not
/// add up.
fn after(number: u64, rate: u64) -> Duration {
    let (seconds, rest) = (number / rate, number % rate);
    Duration::from_secs(seconds) + Duration::from_nanos((u128::from(rest) * SECOND / u128::from(rate)) as u64)
}

/// Nanoseconds per second.
const SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use echoctl_proto::Framing;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn config(rate: Option<u64>, count: Option<u64>, duration: Option<Duration>) -> PingConfig {
        PingConfig {
            addr: ([127, 0, 0, 1], 7007).into(),
            framing: Framing::Lines,
            size: 64,
            connections: 1,
            rate,
            phase: Duration::ZERO,
            count,
            duration,
            timeout: MS,
            connect_timeout: MS,
        }
    }

    fn with(
        started: Instant,
        rate: Option<u64>,
        count: Option<u64>,
        duration: Option<Duration>,
    ) -> SendSchedule {
        SendSchedule::new(started, &config(rate, count, duration))
    }

    #[test]
    fn at_a_rate_late_pings_keep_their_due_times() {
        let started = Instant::now();
        let schedule = with(started, Some(1000), None, None);

        assert_eq!(schedule.due(0, started), Some(started));
        assert_eq!(schedule.due(7, started + 500 * MS), Some(started + 7 * MS));
        assert_eq!(schedule.due(3_600_000, started), Some(started + 3_600_000 * MS));
    }

    #[test]
    fn a_phase_shifts_every_ping_of_a_rate() {
        let started = Instant::now();
        let config = |rate| PingConfig { rate, phase: 3 * MS, ..config(None, None, None) };
        let schedule = SendSchedule::new(started, &config(Some(100)));

        assert_eq!(schedule.due(0, started), Some(started + 3 * MS));
        assert_eq!(schedule.due(1, started), Some(started + 13 * MS));
        assert_eq!(schedule.due_before(started + 10 * MS), Some(1));
        assert_eq!(SendSchedule::new(started, &config(None)).due(0, started), Some(started));
    }

    #[test]
    fn in_a_closed_loop_a_ping_is_due_immediately() {
        let started = Instant::now();
        let schedule = with(started, None, None, Some(100 * MS));

        assert_eq!(schedule.due(7, started + 50 * MS), Some(started + 50 * MS));
        assert_eq!(schedule.due(8, started + 100 * MS), None);
        assert_eq!(schedule.due_before(started + 100 * MS), None);
    }

    #[test]
    fn count_and_duration_both_limit_the_pings() {
        let started = Instant::now();
        let schedule = with(started, Some(1000), Some(50), Some(100 * MS));

        assert!(schedule.due(49, started).is_some());
        assert_eq!(schedule.due(50, started), None);
        assert_eq!(schedule.due(10, started + 100 * MS), None);
        assert_eq!(with(started, Some(10), None, Some(100 * MS)).due(1, started), None);
    }

    #[test]
    fn due_pings_are_counted_until_the_end() {
        let started = Instant::now();
        let due_before = |count, now| with(started, Some(1000), count, Some(100 * MS)).due_before(now);

        assert_eq!(due_before(None, started), Some(0));
        assert_eq!(due_before(None, started + 10 * MS), Some(10));
        assert_eq!(due_before(None, started + 900 * MS), Some(100));
        assert_eq!(due_before(Some(30), started + 900 * MS), Some(30));
    }
}
