//! Chooses the end and the ticks of an axis: from 0 to a round value, with ticks at round values.
//!
//! Sizes step in powers of two (0, 64 MiB, 128 MiB), times in 1, 2, 5 and the divisions of the hour, everything else in 1, 2, 5.

use echoctl_record::{Bytes, Latency, Rate, Seconds};

/// Unit of the values of an axis: how they are rounded and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Bytes, printed as `64 MiB`.
    #[default]
    Bytes,
    /// Bytes per second, printed as `64 MiB/s`.
    Rate,
    /// Seconds, printed as `250 ms` or `4.2 s`.
    Seconds,
    /// Seconds of a latency, printed as `1.4 ms`.
    Latency,
    /// A plain number.
    Plain,
}

impl Unit {
    /// `value` as it is printed in labels and tables; negative values have a sign.
    pub fn print(self, value: f64) -> String {
        let (sign, size) = if value < 0.0 { ("-", -value) } else { ("", value) };
        match self {
            Unit::Bytes => format!("{sign}{}", Bytes(size.round() as u64)),
            // Like sizes, rates are limited to 64 bits: a label has no room for more digits.
            Unit::Rate => format!("{sign}{}", Rate(size.min(u64::MAX as f64))),
            Unit::Seconds if size < 1e12 => format!("{sign}{}", Seconds(size)),
            Unit::Latency if size < 1e12 => format!("{sign}{}", Latency(size)),
            Unit::Seconds | Unit::Latency => format!("{sign}{} s", short(size)),
            Unit::Plain => format!("{sign}{}", short(size)),
        }
    }

    /// The round step nearest above `least`, which is positive.
    fn step(self, least: f64) -> f64 {
        match self {
            // A step below one byte is useless.
            Unit::Bytes | Unit::Rate => least.max(1.0).log2().ceil().exp2(),
            Unit::Seconds if least > 5.0 => TIMES
                .into_iter()
                .find(|step| *step >= least)
                .unwrap_or_else(|| 3600.0 * decimal_step(least / 3600.0)),
            Unit::Seconds | Unit::Latency | Unit::Plain => decimal_step(least),
        }
    }
}

/// An axis from 0 to `end`, with its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) end: f64,
    pub(crate) ticks: Vec<f64>,
    unit: Unit,
    step: f64,
    /// Names of the ticks; empty if their values are printed.
    names: Vec<String>,
}

impl Axis {
    /// An axis that shows `largest`, ends at a tick, and has at most `intervals` (at least 1) between ticks. A value only just above
    /// a tick needs no further one: an axis up to 161 MiB has its last tick at 160.
    pub(crate) fn rounded(unit: Unit, largest: f64, intervals: usize) -> Axis {
        let axis = Axis::exact(unit, largest, intervals);
        let over = axis.end / axis.step - (axis.ticks.len() - 1) as f64;
        if axis.ticks.len() > 2 && over > 0.0 && over < 0.15 {
            return axis;
        }
        let count = (axis.end / axis.step - 1e-9).ceil().max(1.0);
        Axis { end: count * axis.step, ticks: ticks(axis.step, count), ..axis }
    }

    /// An axis that ends exactly at `end`, with at most `intervals` (at least 1) between ticks.
    /// An invalid end, or one below [`LEAST_END`], gives the axis of an empty chart.
    pub(crate) fn exact(unit: Unit, end: f64, intervals: usize) -> Axis {
        let end =
            if (LEAST_END..f64::INFINITY).contains(&end) { end.min(MOST_END) } else { unit.smallest_end() };
        let step = unit.step(end / intervals.max(1) as f64);
        Axis { end, ticks: ticks(step, (end / step + 1e-9).floor()), unit, step, names: Vec::new() }
    }

    /// An axis with a tick for each of `names`, at equal distances.
    pub(crate) fn steps(names: &[String]) -> Axis {
        let last = names.len().saturating_sub(1).max(1) as f64;
        Axis { end: last, ticks: ticks(1.0, last), unit: Unit::Plain, step: 1.0, names: names.to_vec() }
    }

    /// Position of `value` between the start (0) and the end (1) of the axis. Values outside are drawn at its edge.
    pub(crate) fn place(&self, value: f64) -> f64 {
        (value / self.end).clamp(0.0, 1.0)
    }

    /// The label of a tick, with only the digits that distinguish it from its neighbours.
    pub(crate) fn label(&self, tick: f64) -> String {
        if !self.names.is_empty() {
            return self.names.get(tick as usize).cloned().unwrap_or_default();
        }
        match self.unit {
            Unit::Seconds if self.step >= 3600.0 => format!("{} h", short(tick / 3600.0)),
            Unit::Seconds if self.step >= 60.0 => format!("{} min", short(tick / 60.0)),
            Unit::Seconds => format!("{} s", short(tick)),
            Unit::Bytes | Unit::Rate if tick == 0.0 => "0".to_owned(),
            unit => unit.print(tick),
        }
    }
}

impl Unit {
    /// The end of an axis without values.
    fn smallest_end(self) -> f64 {
        match self {
            Unit::Bytes | Unit::Rate => 1024.0,
            Unit::Seconds | Unit::Plain => 1.0,
            Unit::Latency => 1e-3,
        }
    }
}

fn ticks(step: f64, count: f64) -> Vec<f64> {
    (0..=count as usize).map(|tick| tick as f64 * step).collect()
}

/// 1, 2 or 5 times a power of ten, nearest above `least`.
fn decimal_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A number with at most three decimals and no trailing zeros; with an exponent if it would be too long.
fn short(value: f64) -> String {
    if value >= 1e12 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The least end of an axis, in any unit: a nanosecond.
const LEAST_END: f64 = 1e-9;

/// The largest end of an axis, in any unit: far above 64-bit counters, and far below the values whose steps overflow.
const MOST_END: f64 = 1e30;

/// Seconds between ticks above 5 s, by the divisions of the hour.
const TIMES: [f64; 10] = [10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn sizes_tick_in_powers_of_two() {
        let axis = Axis::rounded(Unit::Bytes, 301.0 * 1048576.0, 6);

        assert_eq!(labels(&axis), ["0", "64 MiB", "128 MiB", "192 MiB", "256 MiB", "320 MiB"]);
    }

    #[test]
    fn times_tick_in_divisions_of_the_hour() {
        assert_eq!(labels(&Axis::exact(Unit::Seconds, 11.3, 6)), ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]);
        assert_eq!(labels(&Axis::exact(Unit::Seconds, 65.0, 5)), ["0 s", "15 s", "30 s", "45 s", "60 s"]);
        assert_eq!(labels(&Axis::exact(Unit::Seconds, 0.6, 4)), ["0 s", "0.2 s", "0.4 s", "0.6 s"]);
        assert_eq!(
            labels(&Axis::exact(Unit::Seconds, 7300.0, 5)),
            ["0 min", "30 min", "60 min", "90 min", "120 min"]
        );
        assert_eq!(
            labels(&Axis::exact(Unit::Seconds, 36_000.0, 5)),
            ["0 h", "2 h", "4 h", "6 h", "8 h", "10 h"]
        );
    }

    #[test]
    fn a_value_just_above_a_tick_needs_no_further_one() {
        let axis = Axis::rounded(Unit::Bytes, 161.0 * 1048576.0, 6);

        assert_eq!(axis.end, 161.0 * 1048576.0);
        assert_eq!(labels(&axis).last().map(String::as_str), Some("160 MiB"));
    }

    #[test]
    fn an_axis_has_at_most_its_intervals_and_shows_all_values() {
        for unit in [Unit::Bytes, Unit::Rate, Unit::Seconds, Unit::Plain] {
            for power in -3..45 {
                for most in 1..9 {
                    let largest = 1.37 * f64::from(power).exp2();
                    for axis in [Axis::rounded(unit, largest, most), Axis::exact(unit, largest, most)] {
                        assert!(axis.end >= largest, "{unit:?} {largest} is above {}", axis.end);
                        assert!(axis.ticks.len() <= most + 1, "{unit:?} {largest} {most}: {:?}", axis.ticks);
                        assert!(axis.ticks.iter().all(|tick| *tick <= axis.end * 1.0001));
                    }
                }
            }
        }
    }

    #[test]
    fn an_axis_without_values_has_an_end() {
        for largest in [0.0, -5.0, f64::NAN, f64::INFINITY] {
            let axis = Axis::rounded(Unit::Bytes, largest, 4);

            assert_eq!(axis.end, 1024.0);
            assert_eq!(axis.place(largest.max(0.0)), if largest == f64::INFINITY { 1.0 } else { 0.0 });
        }
    }

    #[test]
    fn an_axis_of_any_length_has_few_ticks() {
        for unit in [Unit::Bytes, Unit::Rate, Unit::Seconds, Unit::Plain] {
            for end in [5e-324, f64::MIN_POSITIVE, 1e-300, 1e-9, 1e30, 1e300, f64::MAX] {
                for axis in [Axis::rounded(unit, end, 6), Axis::exact(unit, end, 6)] {
                    assert!(axis.ticks.len() <= 7, "{unit:?} {end}: {}", axis.ticks.len());
                    assert!(axis.end.is_finite() && axis.end > 0.0, "{unit:?} {end}");
                    assert!((0.0..=1.0).contains(&axis.place(end)), "{unit:?} {end}");
                }
            }
        }
    }

    #[test]
    fn negative_values_have_a_sign() {
        assert_eq!(Unit::Bytes.print(-1536.0), "-1.5 KiB");
        assert_eq!(Unit::Plain.print(0.25), "0.25");
    }
}
