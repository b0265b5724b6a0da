//! The plan: when ping number *n* is due. It reads no clock; `now` is passed in.

use std::time::{Duration, Instant};

/// When pings are due, and when there are no more.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    begun: Instant,
    /// Pings a second; `None` where each is due as soon as a connection is free.
    rate: Option<u64>,
    count: u64,
    end: Option<Instant>,
}

impl Plan {
    pub(super) fn new(begun: Instant, rate: Option<u64>, count: Option<u64>, time: Option<Duration>) -> Plan {
        // A time beyond the clock's range is without end, too.
        let end = time.and_then(|time| begun.checked_add(time));
        Plan { begun, rate: rate.map(|rate| rate.max(1)), count: count.unwrap_or(u64::MAX), end }
    }

    /// When ping `number` is due, the moment from which its time counts; it may be past. `None` when there is no such
    /// ping, or it is too late for it.
    pub(super) fn due(&self, number: u64, now: Instant) -> Option<Instant> {
        let due = match self.rate {
            None => now,
            Some(rate) => self.begun + after(number, rate),
        };
        let is_in_time = self.end.is_none_or(|end| now < end && due < end);
        (number < self.count && is_in_time).then_some(due)
    }

    /// How many pings were due before `now`; `None` where they are due only when a connection is free.
    pub(super) fn due_before(&self, now: Instant) -> Option<u64> {
        let rate = self.rate?;
        let until = self.end.map_or(now, |end| end.min(now));
        let due =
            (until.saturating_duration_since(self.begun).as_nanos() * u128::from(rate)).div_ceil(SECOND);
        Some(self.count.min(due.min(u128::from(u64::MAX)) as u64))
    }
}

/// When number `number` of a rate comes, after the first. Computed from the number, so that no rounding adds up.
fn after(number: u64, rate: u64) -> Duration {
    let (seconds, rest) = (number / rate, number % rate);
    Duration::from_secs(seconds) + Duration::from_nanos((u128::from(rest) * SECOND / u128::from(rate)) as u64)
}

/// Nanoseconds.
const SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn at_a_rate_pings_are_due_by_the_plan_however_late_it_is() {
        let begun = Instant::now();
        let plan = Plan::new(begun, Some(1000), None, None);

        assert_eq!(plan.due(0, begun), Some(begun));
        assert_eq!(plan.due(7, begun + 500 * MS), Some(begun + 7 * MS));
        assert_eq!(plan.due(3_600_000, begun), Some(begun + 3_600_000 * MS));
    }

    #[test]
    fn in_a_closed_loop_a_ping_is_due_when_it_can_be_sent() {
        let begun = Instant::now();
        let plan = Plan::new(begun, None, None, Some(100 * MS));

        assert_eq!(plan.due(7, begun + 50 * MS), Some(begun + 50 * MS));
        assert_eq!(plan.due(8, begun + 100 * MS), None);
        assert_eq!(plan.due_before(begun + 100 * MS), None);
    }

    #[test]
    fn count_and_time_end_it_whichever_comes_first() {
        let begun = Instant::now();
        let plan = Plan::new(begun, Some(1000), Some(50), Some(100 * MS));

        assert!(plan.due(49, begun).is_some());
        assert_eq!(plan.due(50, begun), None);
        assert_eq!(plan.due(10, begun + 100 * MS), None);
        assert_eq!(Plan::new(begun, Some(10), None, Some(100 * MS)).due(1, begun), None);
    }

    #[test]
    fn pings_due_are_counted_up_to_the_end() {
        let begun = Instant::now();
        let plan = |count| Plan::new(begun, Some(1000), count, Some(100 * MS));

        assert_eq!(plan(None).due_before(begun), Some(0));
        assert_eq!(plan(None).due_before(begun + 10 * MS), Some(10));
        assert_eq!(plan(None).due_before(begun + 900 * MS), Some(100));
        assert_eq!(plan(Some(30)).due_before(begun + 900 * MS), Some(30));
    }
}
