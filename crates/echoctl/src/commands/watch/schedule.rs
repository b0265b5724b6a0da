//! When a watch samples, prints a line, and ends. Where samples take long, they are taken less often.

use std::time::{Duration, Instant};

/// The times of a watch. A time that has been missed is not made up for.
#[derive(Debug)]
pub(super) struct Schedule {
    sample: Timer,
    line: Timer,
    end: Option<Instant>,
    /// When the last sample was due.
    last_sample: Instant,
    /// The processor time that this thread had used by then, if it is visible.
    used: Option<Duration>,
    /// What a sample and all that belongs to it take, on average over the last few.
    cost: Duration,
}

/// What is due together with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// The sample is to be printed.
    pub(super) line: bool,
    /// It is the last one.
    pub(super) is_over: bool,
}

impl Schedule {
    /// A watch from `start` on that prints at this interval, and ends after `duration` if there is one.
    pub(super) fn new(start: Instant, every: Duration, duration: Option<Duration>) -> Schedule {
        Schedule {
            sample: Timer { next: start, interval: SAMPLE_INTERVAL.min(every) },
            line: Timer { next: start, interval: every },
            end: duration.map(|duration| after(start, duration)),
            last_sample: start,
            used: None,
            cost: Duration::ZERO,
        }
    }

    /// What is due with the sample that is taken `now`.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        self.sample.is_due(now);
        self.last_sample = now;
        Due { line: self.line.is_due(now), is_over: self.end.is_some_and(|end| now >= end) }
    }

    /// Delays the next sample so that this thread uses 3 % of a core at most, with all that it does between two samples: it has used
    /// this much by now. The walks for the names of processes, on another thread, may use 2 % more. One costly sample delays the next
    /// few by a part each.
    pub(super) fn used(&mut self, used: Option<Duration>) {
        let before = std::mem::replace(&mut self.used, used);
        let Some(cost) = used.zip(before).map(|(used, before)| used.saturating_sub(before)) else { return };
        self.cost = (self.cost * (AVERAGED - 1) + cost) / AVERAGED;
        let shortest = self.cost.saturating_mul(SHARE);
        self.sample.next = self.sample.next.max(after(self.last_sample, shortest));
        // One that has a line to itself is taken when that is due.
        if shortest > self.line.interval / 2 {
            self.sample.next = self.sample.next.max(self.line.next);
        }
    }

    /// Time until the next sample.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let next = self.end.map_or(self.sample.next, |end| end.min(self.sample.next));
        next.saturating_duration_since(now)
    }
}

/// What is due at an interval.
#[derive(Debug)]
pub(super) struct Timer {
    next: Instant,
    interval: Duration,
}

impl Timer {
    /// Due at `next` for the first time.
    pub(super) fn new(next: Instant, interval: Duration) -> Timer {
        Timer { next, interval }
    }

    /// Whether it is due now; it is due again after the interval.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            let next = after(self.next, self.interval);
            self.next = if next > now { next } else { after(now, self.interval) };
        }
        is_due
    }
}

/// `time + duration`, or a time beyond the end of any watch if the clock cannot express it.
fn after(time: Instant, duration: Duration) -> Instant {
    time.checked_add(duration).unwrap_or(time + FOREVER)
}

/// A hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Interval between samples: short enough for a live view.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Seconds of which sampling uses a processor for one at most.
const SHARE: u32 = 33;

/// Samples over which costs are averaged: the first one costs more.
const AVERAGED: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The times in milliseconds at which a watch samples that never loses time, and what is due with each sample.
    fn samples(every: Duration, duration: Duration) -> Vec<(u128, Due)> {
        let start = Instant::now();
        let (mut schedule, mut now, mut samples) =
            (Schedule::new(start, every, Some(duration)), start, vec![]);
        while samples.last().is_none_or(|(_, due): &(u128, Due)| !due.is_over) {
            samples.push(((now - start).as_millis(), schedule.due(now)));
            now += schedule.wait(now);
        }
        samples
    }

    #[test]
    fn samples_are_taken_four_times_per_line() {
        let samples = samples(SECOND, 2 * SECOND);

        let times: Vec<u128> = samples.iter().map(|(t, _)| *t).collect();
        let lines: Vec<u128> = samples.iter().filter(|(_, due)| due.line).map(|(t, _)| *t).collect();
        assert_eq!(times, [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
        assert_eq!(lines, [0, 1000, 2000]);
    }

    #[test]
    fn every_sample_is_printed_at_a_short_interval() {
        let samples = samples(SECOND / 10, SECOND / 4);

        let times: Vec<(u128, bool)> = samples.iter().map(|(t, due)| (*t, due.line)).collect();
        assert_eq!(times, [(0, true), (100, true), (200, true), (250, false)], "the last one ends the watch");
    }

    #[test]
    fn a_late_sample_is_not_made_up_for() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, SECOND, None);
        schedule.due(start);

        let late = start + 5 * SECOND;

        assert_eq!(schedule.wait(late), Duration::ZERO);
        assert_eq!(schedule.due(late), Due { line: true, is_over: false });
        assert!(!schedule.due(late + SECOND / 4).line, "one line for five missed ones");
    }

    #[test]
    fn samples_that_take_long_are_rarer() {
        const MS: Duration = Duration::from_millis(1);
        let start = Instant::now();
        let mut schedule = Schedule::new(start, SECOND, None);
        let mut used = Duration::ZERO;
        schedule.used(Some(used));
        let mut wait_after = |at: Duration, cost: Duration| {
            schedule.due(start + at);
            used += cost;
            schedule.used(Some(used));
            schedule.wait(start + at).as_millis()
        };

        assert_eq!(wait_after(Duration::ZERO, 30 * MS), 250, "a first one may cost more");
        let waits: Vec<u128> = (1..40).map(|second| wait_after(second * SECOND, 20 * MS)).collect();
        assert!(waits.is_sorted() && waits[38] == 1000, "one per line: {waits:?}");
        let waits: Vec<u128> = (40..80).map(|second| wait_after(second * SECOND, 60 * MS)).collect();
        assert!(waits.is_sorted() && (1979..=1980).contains(&waits[39]), "{waits:?}");
        let waits: Vec<u128> = (80..120).map(|second| wait_after(second * SECOND, MS)).collect();
        assert!(waits.is_sorted_by(|a, b| a >= b) && waits[39] == 250, "{waits:?}");
    }

    #[test]
    fn a_duration_beyond_the_clock_never_ends() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, Duration::MAX, Some(Duration::MAX));

        assert!(!schedule.due(start).is_over && !schedule.due(start + 3600 * SECOND).line);
    }
}
