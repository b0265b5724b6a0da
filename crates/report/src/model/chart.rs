//! Defines the contents of a chart, independently of how it is drawn.

use std::ops::RangeInclusive;

use crate::model::axis::Axis;
use crate::model::table::ABSENT;
use crate::{Series, Unit};

/// Series over time on one pair of axes, with phases and limits.
///
/// ```
/// use echoctl_report::{Chart, Ink, Series, Stroke, Unit, plain};
///
/// let rising = Series::new("OFF", Ink::Orange, Stroke::Solid, vec![(0.0, 0.0), (4.0, 4096.0)]);
/// let chart = Chart::lines("Memory of the server", Unit::Bytes)
///     .describe("It rises by 1 KiB per second.")
///     .series(rising)
///     .phase(1.0, 3.0, "stops reading");
/// assert!(plain::draw(&chart, 60, 12).contains("stops reading"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// What it shows, in a few words.
    pub title: String,
    /// What it shows, in words: read out by screen readers and printed below it.
    pub description: String,
    /// Lines or bands.
    pub form: Form,
    /// Unit of the values.
    pub unit: Unit,
    /// Lines, or bands from the highest to the lowest.
    pub series: Vec<Series>,
    /// Named spans of time.
    pub phases: Vec<Phase>,
    /// Values that are not exceeded.
    pub limits: Vec<Limit>,
    /// Names of the positions 0, 1, 2, … if the horizontal axis is not time but steps: sizes, numbers of connections.
    pub steps: Vec<String>,
    /// Seconds at which the time axis ends; by default, the time of the last point.
    pub until: Option<f64>,
    /// The least value at which the value axis ends, so that pictures of several runs compare; by default, the largest value.
    pub up_to: Option<f64>,
    /// The span of time whose maxima the key states, in seconds; by default, the whole chart.
    pub peak_span: Option<RangeInclusive<f64>>,
}

/// How the series are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Each series is a line.
    #[default]
    Lines,
    /// Each series is an area on top of the next one, so their total height is the sum.
    Bands,
}

/// A named span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Seconds at which it starts.
    pub from: f64,
    /// Seconds at which it ends.
    pub to: f64,
    /// Its name, in a word or two.
    pub label: String,
    /// Whether it is highlighted.
    pub is_shaded: bool,
}

/// A value that a series does not exceed: a line across the chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// In the unit of the chart.
    pub value: f64,
    /// What it limits.
    pub label: String,
}

impl Chart {
    /// An empty chart of lines.
    pub fn lines(title: impl Into<String>, unit: Unit) -> Chart {
        Chart { title: title.into(), unit, form: Form::Lines, ..Chart::default() }
    }

    /// An empty chart of bands that add up.
    pub fn bands(title: impl Into<String>, unit: Unit) -> Chart {
        Chart { title: title.into(), unit, form: Form::Bands, ..Chart::default() }
    }

    /// Sets the description.
    pub fn describe(mut self, description: impl Into<String>) -> Chart {
        self.description = description.into();
        self
    }

    /// Adds a line, or a band below the others.
    pub fn series(mut self, series: Series) -> Chart {
        self.series.push(series);
        self
    }

    /// Adds a phase. Every second one is shaded.
    pub fn phase(mut self, from: f64, to: f64, label: impl Into<String>) -> Chart {
        let is_shaded = self.phases.len() % 2 == 1;
        self.phases.push(Phase { from, to, label: label.into(), is_shaded });
        self
    }

    /// Draws a limit across the chart.
    pub fn limit(mut self, value: f64, label: impl Into<String>) -> Chart {
        self.limits.push(Limit { value, label: label.into() });
        self
    }

    /// Makes the horizontal axis steps with these names: a point with `t` 0 is above the first, with 1 above the second.
    pub fn steps(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Chart {
        self.steps = names.into_iter().map(Into::into).collect();
        self
    }

    /// The maximum of a series in the span whose maxima are stated; of the whole series where it has no point in that span.
    pub(crate) fn peak(&self, series: &Series) -> Option<f64> {
        let span = self.peak_span.as_ref().and_then(|span| series.peak_during(span));
        span.or_else(|| series.peak())
    }

    /// The text of a series in the key: its name and its maximum.
    pub(crate) fn key_entry(&self, series: &Series) -> String {
        match self.peak(series) {
            Some(peak) => format!("{}: at most {}", series.label, self.unit.print(peak)),
            None => format!("{}: {ABSENT}", series.label),
        }
    }

    /// The time axis with at most `intervals` intervals, or the axis of steps.
    pub(crate) fn time_axis(&self, intervals: usize) -> Axis {
        if !self.steps.is_empty() {
            return Axis::steps(&self.steps);
        }
        let ends = self.series.iter().filter_map(|series| series.points().last()).map(|(t, _)| *t);
        let last = ends.chain(self.valid_phases().map(|phase| phase.to)).fold(0.0, f64::max);
        Axis::exact(Unit::Seconds, self.until.unwrap_or(last), intervals)
    }

    /// The value axis with at most `intervals` intervals.
    pub(crate) fn value_axis(&self, intervals: usize) -> Axis {
        let tops = self.outlines().into_iter().flatten().map(|(_, value)| value);
        let limits = self.valid_limits().map(|limit| limit.value);
        let largest =
            tops.chain(limits).chain(self.up_to).filter(|value| value.is_finite()).fold(0.0, f64::max);
        Axis::rounded(self.unit, largest, intervals)
    }

    /// The phases with a positive, finite length.
    pub(crate) fn valid_phases(&self) -> impl Iterator<Item = &Phase> {
        self.phases
            .iter()
            .filter(|phase| phase.from.is_finite() && phase.to.is_finite() && phase.from < phase.to)
    }

    /// The limits with a finite value.
    pub(crate) fn valid_limits(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter().filter(|limit| limit.value.is_finite())
    }

    /// All times at which any series has a point.
    pub(crate) fn times(&self) -> Vec<f64> {
        let points = self.series.iter().flat_map(|series| series.points());
        let mut times: Vec<f64> = points.map(|(t, _)| *t).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    /// The outline of each series: its line, or the top of its band.
    pub(crate) fn outlines(&self) -> Vec<Vec<(f64, f64)>> {
        match self.form {
            Form::Lines => self.series.iter().map(|series| series.points().to_vec()).collect(),
            Form::Bands => self.stacked(),
        }
    }

    /// The tops of the bands, all at the same times. A missing value counts as 0, and so does a negative one.
    fn stacked(&self) -> Vec<Vec<(f64, f64)>> {
        let times = self.times();
        let mut below = vec![0.0; times.len()];
        let stack = |series: &Series| {
            let tops = times.iter().zip(&mut below).map(|(t, below)| {
                *below += series.at(*t).unwrap_or(0.0).max(0.0);
                (*t, *below)
            });
            tops.collect()
        };
        let mut tops: Vec<_> = self.series.iter().rev().map(stack).collect();
        tops.reverse();
        tops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ink, Stroke};

    fn series(points: &[(f64, f64)]) -> Series {
        Series::new("s", Ink::Blue, Stroke::Solid, points.to_vec())
    }

    #[test]
    fn bands_add_up_even_if_their_times_differ() {
        let chart = Chart::bands("b", Unit::Bytes)
            .series(series(&[(0.0, 10.0), (2.0, 30.0)]))
            .series(series(&[(0.0, 1.0), (1.0, 5.0), (2.0, 1.0)]));

        let tops = chart.outlines();

        assert_eq!(tops[0], [(0.0, 11.0), (1.0, 25.0), (2.0, 31.0)]);
        assert_eq!(tops[1], [(0.0, 1.0), (1.0, 5.0), (2.0, 1.0)]);
    }

    #[test]
    fn axes_show_every_point_phase_and_mark() {
        let chart = Chart::lines("l", Unit::Bytes)
            .series(series(&[(0.0, 1.0), (2.0, 3000.0)]))
            .phase(0.0, 7.5, "all")
            .limit(5000.0, "limit");

        assert_eq!(chart.time_axis(5).end, 7.5);
        assert_eq!(chart.value_axis(5).end, 5120.0);
    }

    #[test]
    fn steps_are_at_equal_distances() {
        let chart = Chart::lines("l", Unit::Rate)
            .series(series(&[(0.0, 1.0), (1.0, 2.0)]))
            .steps(["16 B", "64 B", "64 KiB"]);

        let axis = chart.time_axis(1);

        assert_eq!((axis.end, axis.place(1.0)), (2.0, 0.5));
        assert_eq!([0, 1, 2].map(|tick| axis.label(axis.ticks[tick])), ["16 B", "64 B", "64 KiB"]);
    }

    #[test]
    fn an_empty_chart_has_axes() {
        let chart = Chart::bands("nothing", Unit::Bytes);

        assert!(chart.time_axis(5).end > 0.0 && chart.value_axis(5).end > 0.0);
    }
}
