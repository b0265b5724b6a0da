//! One quantity over time, and how it is drawn.

use std::ops::RangeInclusive;

/// One quantity over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, written at its line.
    pub label: String,
    /// Its colour.
    pub ink: Ink,
    /// Pattern of its line or of its area.
    pub stroke: Stroke,
    /// Invariant: all numbers are finite, and times do not decrease.
    points: Vec<(f64, f64)>,
}

/// The colours: two that remain distinct with every kind of colour vision, on white and on black, and a neutral one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ink {
    /// The server's own memory; the side without backpressure.
    Orange,
    /// The kernel's memory; the side with backpressure.
    Blue,
    /// A reference for comparison.
    Grey,
}

/// Pattern of a line or of an area, which distinguishes series without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stroke {
    /// An unbroken line; a full area.
    Solid,
    /// A dashed line; an area with slanted stripes.
    Dashed,
    /// A dotted line; an area with dots.
    Dotted,
    /// Dash, dot, dash; an area with crossed stripes.
    DashDot,
}

impl Series {
    /// A series of `points` (seconds, value). They may come from an edited file: points that are not finite are dropped, and the
    /// others are sorted by time. Numbers are limited to `MOST`, so that their sums and differences are finite, too.
    pub fn new(label: impl Into<String>, ink: Ink, stroke: Stroke, mut points: Vec<(f64, f64)>) -> Series {
        points.retain(|(t, value)| t.is_finite() && value.is_finite());
        points
            .iter_mut()
            .for_each(|(t, value)| (*t, *value) = (t.clamp(-MOST, MOST), value.clamp(-MOST, MOST)));
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { label: label.into(), ink, stroke, points }
    }

    /// Seconds and values, in order of time.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The largest value, if there is any.
    pub fn peak(&self) -> Option<f64> {
        self.points.iter().map(|(_, value)| *value).max_by(f64::total_cmp)
    }

    /// The largest value at times within `span`, if there is any.
    pub fn peak_during(&self, span: &RangeInclusive<f64>) -> Option<f64> {
        let points = self.points.iter().filter(|(t, _)| span.contains(t));
        points.map(|(_, value)| *value).max_by(f64::total_cmp)
    }

    /// The value at time `t`, interpolated between two points; `None` before the first and after the last.
    pub fn at(&self, t: f64) -> Option<f64> {
        let after = self.points.partition_point(|(time, _)| *time < t);
        let (time, value) = *self.points.get(after)?;
        if time == t {
            return Some(value);
        }
        let (earlier, from) = *self.points.get(after.checked_sub(1)?)?;
        Some(from + (value - from) * (t - earlier) / (time - earlier))
    }
}

impl Ink {
    /// Its name in class attributes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Ink::Orange => "orange",
            Ink::Blue => "blue",
            Ink::Grey => "grey",
        }
    }
}

impl Stroke {
    /// Its name in class attributes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Stroke::Solid => "solid",
            Stroke::Dashed => "dashed",
            Stroke::Dotted => "dotted",
            Stroke::DashDot => "dashdot",
        }
    }
}

/// The largest number of a series, in any unit: far above 64-bit counters.
const MOST: f64 = 1e30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_two_points_are_interpolated() {
        let series = Series::new("s", Ink::Blue, Stroke::Solid, vec![(1.0, 10.0), (3.0, 30.0), (3.0, 40.0)]);

        assert_eq!(
            [0.0, 1.0, 1.5, 3.0, 3.1].map(|t| series.at(t)),
            [None, Some(10.0), Some(15.0), Some(30.0), None]
        );
    }

    #[test]
    fn a_peak_is_finite_or_absent() {
        let series = |points| Series::new("s", Ink::Blue, Stroke::Solid, points);

        assert_eq!(series(vec![]).peak(), None);
        assert_eq!(series(vec![(0.0, f64::NAN), (1.0, f64::INFINITY)]).peak(), None);
        assert_eq!(series(vec![(0.0, f64::NAN), (1.0, -2.0)]).peak(), Some(-2.0));
    }
}
