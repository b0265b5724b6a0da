//! Histogram of latencies, exact to a thousandth of each, in memory that does not grow with their number.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A histogram of latencies.
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

    /// The time that the share `quantile` (0 to 1) of all times did not exceed; `None` if there are none.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        // The histogram returns the end of a bucket, which may exceed the largest recorded time.
        let max = self.nanoseconds.max();
        let at = || Duration::from_nanos(self.nanoseconds.value_at_quantile(quantile).min(max));
        (self.count() > 0).then(at)
    }

    /// The shortest time; `None` if there are none.
    pub fn min(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_nanos(self.nanoseconds.min()))
    }

    /// The longest time; `None` if there are none.
    pub fn max(&self) -> Option<Duration> {
        self.quantile(1.0)
    }

    /// The mean; `None` if there are no times.
    pub fn mean(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_nanos(self.nanoseconds.mean() as u64))
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
    fn quantiles_are_those_of_the_times_recorded() {
        let mut latencies = Latencies::new();
        for microseconds in 1..=1000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let near = |quantile, microseconds: f64| {
            let measured = latencies.quantile(quantile).unwrap().as_secs_f64() * 1e6;
            assert!((measured / microseconds - 1.0).abs() < 0.002, "{quantile}: {measured}");
        };

        near(0.5, 500.0);
        near(0.99, 990.0);
        near(0.999, 999.0);
        near(1.0, 1000.0);
        assert_eq!(latencies.count(), 1000);
    }

    #[test]
    fn without_a_time_there_is_no_quantile() {
        let latencies = Latencies::new();

        assert_eq!((latencies.min(), latencies.quantile(0.5), latencies.max()), (None, None, None));
    }
}
