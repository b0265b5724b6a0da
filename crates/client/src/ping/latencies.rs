//! Counts latencies, exact to a thousandth of each, in memory that does not grow with their number. Its reader computes quantiles.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies, each counted.
#[derive(Debug, Clone)]
pub struct Latencies {
    nanoseconds: Histogram<u64>,
}

impl Latencies {
    pub(super) fn new() -> Latencies {
        let longest = MAX_LATENCY.as_nanos() as u64;
        let nanoseconds = Histogram::new_with_max(longest, DIGITS);
        let nanoseconds = nanoseconds.expect("invariant: the constants are within the bounds of a histogram");
        Latencies { nanoseconds }
    }

    pub(super) fn record(&mut self, time: Duration) {
        self.nanoseconds.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Number of recorded times.
    pub fn count(&self) -> u64 {
        self.nanoseconds.len()
    }

    /// The times that were recorded, to three digits, and how often each was.
    pub fn counts(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let recorded = self.nanoseconds.iter_recorded();
        recorded.map(|value| (Duration::from_nanos(value.value_iterated_to()), value.count_at_value()))
    }
}

/// Significant decimal digits of each time: smaller differences are noise on any system with a scheduler.
const DIGITS: u8 = 3;

/// Longer times count as this one. With it a histogram takes 260 KiB.
const MAX_LATENCY: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_to_three_digits() {
        let mut latencies = Latencies::new();
        for microseconds in [1, 1, 1000, 987_654, u64::MAX / 1000] {
            latencies.record(Duration::from_micros(microseconds));
        }

        let counted: Vec<(Duration, u64)> = latencies.counts().collect();

        assert_eq!((latencies.count(), counted.iter().map(|(_, count)| count).sum()), (5, 5));
        let expected = [(1e-6, 2), (1e-3, 1), (0.987_654, 1), (MAX_LATENCY.as_secs_f64(), 1)];
        for ((time, count), (seconds, number)) in counted.iter().zip(expected) {
            assert_eq!(*count, number);
            assert!((time.as_secs_f64() / seconds - 1.0).abs() < 0.002, "{time:?}");
        }
    }
}
