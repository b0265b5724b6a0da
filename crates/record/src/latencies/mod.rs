//! A histogram of latencies in a file, exact to a thousandth of each: those of several recordings merge without a further error.
//!
//! As text it is base64 of version 2 of HdrHistogram's format ([`v2`]), which its libraries in other languages read. All histograms
//! have the same bounds, so that merging adds counts.

mod v2;

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use hdrhistogram::Histogram;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A histogram of latencies, from a nanosecond to an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Latencies {
    nanoseconds: Histogram<u64>,
}

impl Latencies {
    /// The quantiles of tables and charts: the share of all times, and its name.
    pub const QUANTILES: [(f64, &str); 8] = [
        (0.0, "min"),
        (0.5, "p50"),
        (0.75, "p75"),
        (0.9, "p90"),
        (0.99, "p99"),
        (0.999, "p99.9"),
        (0.9999, "p99.99"),
        (1.0, "max"),
    ];

    /// Adds `count` latencies of `time`. A longer time than an hour counts as an hour.
    pub fn add(&mut self, time: Duration, count: u64) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.saturating_record_n(nanoseconds, count);
    }

    /// Adds the latencies of `other`: the result is the histogram of all of them.
    pub fn merge(&mut self, other: &Latencies) {
        for counted in other.nanoseconds.iter_recorded() {
            let (value, count) = (counted.value_iterated_to(), counted.count_at_value());
            self.nanoseconds.saturating_record_n(value, count);
        }
    }

    /// Number of latencies.
    pub fn count(&self) -> u64 {
        self.nanoseconds.len()
    }

    /// The time that the share `quantile` (0 to 1) of all latencies did not exceed, in seconds; `None` if there are none.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        (self.count() > 0).then(|| match quantile <= 0.0 {
            true => seconds(self.nanoseconds.min()),
            false => seconds(self.nanoseconds.value_at_quantile(quantile).min(self.nanoseconds.max())),
        })
    }

    /// The mean, in seconds; `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.nanoseconds.mean() / 1e9)
    }
}

impl Default for Latencies {
    /// No latency.
    fn default() -> Latencies {
        let nanoseconds = Histogram::new_with_max(MAX_NANOSECONDS, DIGITS);
        let nanoseconds = nanoseconds.expect("invariant: the constants are within the bounds of a histogram");
        Latencies { nanoseconds }
    }
}

impl FromIterator<(Duration, u64)> for Latencies {
    /// Times and their numbers.
    fn from_iter<I: IntoIterator<Item = (Duration, u64)>>(counts: I) -> Latencies {
        let mut latencies = Latencies::default();
        counts.into_iter().for_each(|(time, count)| latencies.add(time, count));
        latencies
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(v2::encode(&self.nanoseconds)))
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Latencies, D::Error> {
        let text = String::deserialize(from)?;
        if text.len() > MAX_TEXT {
            return Err(D::Error::custom("a histogram that is too long"));
        }
        let bytes =
            BASE64_STANDARD.decode(text).map_err(|_| D::Error::custom("a histogram that is not base64"))?;
        let mut latencies = Latencies::default();
        v2::decode(&bytes, &mut latencies.nanoseconds)
            .map_err(|fault| D::Error::custom(format!("invalid histogram: {fault}")))?;
        Ok(latencies)
    }
}

/// Significant decimal digits of each time: smaller differences are noise on any system with a scheduler.
const DIGITS: u8 = 3;

/// Longer times count as this one, an hour.
const MAX_NANOSECONDS: u64 = 3600 * 1_000_000_000;

/// Characters of a histogram: one of 33,000 different counts of nine bytes each has 400,000.
const MAX_TEXT: usize = 500_000;

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Latencies, String> {
        serde_json::from_value(text.into()).map_err(|error| error.to_string())
    }

    fn of(nanoseconds: &[u64]) -> Latencies {
        nanoseconds.iter().map(|&time| (Duration::from_nanos(time), 1)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The format is that of another implementation, in both directions.
        #[test]
        fn histograms_are_those_of_the_reference(times in prop::collection::vec(1..4_000_000_000_000_u64, 0..200)) {
            let latencies = of(&times);
            let mut reference = Vec::new();
            V2Serializer::new().serialize(&latencies.nanoseconds, &mut reference).unwrap();

            let written = v2::encode(&latencies.nanoseconds);
            let text = serde_json::to_value(&latencies).unwrap();

            prop_assert_eq!(&written, &reference);
            let decoded: Histogram<u64> = Deserializer::new().deserialize(&mut written.as_slice()).unwrap();
            prop_assert_eq!(&decoded, &latencies.nanoseconds);
            prop_assert_eq!(read(text.as_str().unwrap()).unwrap(), latencies);
        }

        #[test]
        fn merged_quantiles_are_those_of_the_union(
            parts in prop::collection::vec(prop::collection::vec(1..60_000_000_000_u64, 0..100), 1..5)
        ) {
            let mut merged = Latencies::default();
            parts.iter().for_each(|part| merged.merge(&of(part)));

            let union = of(&parts.concat());

            prop_assert_eq!(merged.count(), union.count());
            for (quantile, name) in Latencies::QUANTILES {
                prop_assert_eq!(merged.quantile(quantile), union.quantile(quantile), "{}", name);
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), is_headed: bool) {
            let head = if is_headed { v2::encode(&Latencies::default().nanoseconds)[..40].to_vec() } else { Vec::new() };
            let mut bytes = [head, bytes].concat();
            if is_headed {
                let length = u32::try_from(bytes.len() - 40).unwrap();
                bytes[4..8].copy_from_slice(&length.to_be_bytes());
            }
            let _ = read(&BASE64_STANDARD.encode(bytes));
        }
    }

    #[test]
    fn a_damaged_histogram_has_a_reason() {
        let good = v2::encode(&of(&[5, 5, 70_000]).nanoseconds);
        let with = |at: usize, bytes: &[u8]| {
            let mut damaged = good.clone();
            damaged[at..at + bytes.len()].copy_from_slice(bytes);
            BASE64_STANDARD.encode(damaged)
        };
        let payload = |payload: &[u8]| {
            let mut bytes = good[..40].to_vec();
            bytes[4..8].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
            bytes.extend(payload);
            BASE64_STANDARD.encode(bytes)
        };
        for (text, reason) in [
            ("?".to_owned(), "not base64"),
            ("A".repeat(MAX_TEXT + 4), "too long"),
            (String::new(), "truncated"),
            (with(0, &[0]), "not version 2"),
            (with(11, &[1]), "other bounds"),
            (with(15, &[5]), "other bounds"),
            (with(24, &[255; 8]), "other bounds"),
            (with(7, &[255]), "truncated"),
            (payload(&[0x80]), "truncated"),
            // The most negative number: more zeros than there can be.
            (payload(&[0xff; 9]), "too many values"),
            // A count of 2^62.
            (payload(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]), "too many times"),
        ] {
            let error = read(&text).expect_err(reason);
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }

    #[test]
    fn without_a_time_there_is_no_quantile() {
        let latencies = Latencies::default();

        assert_eq!((latencies.quantile(0.0), latencies.quantile(1.0), latencies.mean()), (None, None, None));
    }
}
