//! Prints sizes, rates, times and counts, so that help, tables, charts and sentences agree.
//!
//! Sizes are binary (1 KiB = 1,024 bytes) and have at most three significant digits: `64 KiB`, `1.5 MiB`, `512 MiB`.

use std::fmt;

use serde::Serialize;

/// A number of bytes, printed as `64 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Bytes(pub u64);

/// Bytes per second, printed as `64 MiB/s`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// Seconds, printed as `250 ms` or `4.2 s`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Seconds(pub f64);

/// A number with its noun: "1 read", "4 reads".
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&scaled(self.0 as f64))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", scaled(self.0)))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0.0 => "0 s".to_owned(),
            s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
            s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
            s if s < 99.95 => format!("{s:.1} s"),
            s => format!("{s:.0} s"),
        };
        f.pad(&text)
    }
}

/// A latency in seconds, printed with three or four digits: `18.2 µs`, `1.4 ms`, `250 ms`, `3.0 s`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Latency(pub f64);

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            s if s < 1e-3 => (s * 1e6, "µs"),
            s if s < 1.0 => (s * 1e3, "ms"),
            s => (s, "s"),
        };
        let decimals = usize::from(value < 100.0);
        f.pad(&format!("{value:.decimals$} {unit}"))
    }
}

/// `bytes` in the largest binary unit that leaves at least 1, with a decimal only below 10.
fn scaled(bytes: f64) -> String {
    let mut value = bytes;
    let mut unit = 0;
    // 999.5 of a unit would be printed as 1000, which has four digits, so the next unit is used.
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let whole = value.abs() >= 9.95 || (value * 10.0).round() % 10.0 == 0.0;
    if whole { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_with_at_most_three_digits() {
        let printed =
            [0, 1, 999, 1000, 1024, 1536, 64 << 10, 10_000, 1 << 20, 512 << 20, 8_912_896, 1 << 30, u64::MAX]
                .map(|bytes| Bytes(bytes).to_string());
        let expected = [
            "0 B",
            "1 B",
            "999 B",
            "1 KiB",
            "1 KiB",
            "1.5 KiB",
            "64 KiB",
            "9.8 KiB",
            "1 MiB",
            "512 MiB",
            "8.5 MiB",
            "1 GiB",
            "16384 PiB",
        ];
        assert_eq!(printed, expected);
    }

    #[test]
    fn rates_and_times_print_with_their_unit() {
        assert_eq!(Rate((64 << 20) as f64).to_string(), "64 MiB/s");
        assert_eq!(
            [0.0, 0.000_05, 0.25, 1.0, 4.24, 120.0].map(|s| Seconds(s).to_string()),
            ["0 s", "50 µs", "250 ms", "1.0 s", "4.2 s", "120 s"]
        );
    }

    #[test]
    fn latencies_have_a_suitable_unit() {
        let printed = [0.000_018_24, 0.000_999, 0.012, 3.0].map(|seconds| Latency(seconds).to_string());

        assert_eq!(printed, ["18.2 µs", "999 µs", "12.0 ms", "3.0 s"]);
    }
}
