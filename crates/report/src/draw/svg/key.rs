//! The key below a drawing: bands too thin for their label, each with its maximum.

use std::fmt::{self, Formatter};

use super::{Size, defs, text};
use crate::{Chart, Form};

/// The series in the key.
pub(super) struct Key {
    series: Vec<usize>,
}

impl Key {
    pub(super) fn new(series: impl Iterator<Item = usize>) -> Key {
        Key { series: series.collect() }
    }

    /// The key that is needed if no band has room for its label; lines need none.
    pub(super) fn of_all(chart: &Chart) -> Key {
        match chart.form {
            Form::Bands => Key::new(0..chart.series.len()),
            Form::Lines => Key::new(0..0),
        }
    }

    /// Whether a series is in it.
    pub(super) fn has(&self, series: usize) -> bool {
        self.series.contains(&series)
    }

    /// Its height.
    pub(super) fn height(&self, chart: &Chart, size: Size) -> f64 {
        match self.places(chart, size).last() {
            Some((_, row)) => (*row as f64 + 1.0) * size.line() + 0.3 * size.font,
            None => 0.0,
        }
    }

    pub(super) fn write(&self, f: &mut Formatter<'_>, chart: &Chart, size: Size, id: &str) -> fmt::Result {
        let top = size.height - self.height(chart, size) + 0.3 * size.font;
        for (series, (x, row)) in self.series.iter().zip(self.places(chart, size)) {
            let y = top + row as f64 * size.line();
            let side = 0.9 * size.font;
            let (fill, ink) = (defs::fill(id, &chart.series[*series]), chart.series[*series].ink.name());
            writeln!(
                f,
                "<rect class=\"swatch {ink}\" fill=\"{fill}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{side:.1}\"/>",
                y + 0.1 * size.font,
                1.4 * size.font
            )?;
            text(
                f,
                "key",
                "start",
                (x + 1.8 * size.font, y + 0.9 * size.font),
                &chart.key_entry(&chart.series[*series]),
            )?;
        }
        Ok(())
    }

    /// The left edge and the row of each entry.
    fn places(&self, chart: &Chart, size: Size) -> Vec<(f64, usize)> {
        let (mut x, mut row) = (4.0, 0);
        let place = |series: &usize| {
            let width = size.text(&chart.key_entry(&chart.series[*series])) + 1.8 * size.font;
            if x > 4.0 && x + width > size.width {
                (x, row) = (4.0, row + 1);
            }
            let here = (x, row);
            x += width + size.font;
            here
        };
        self.series.iter().map(place).collect()
    }
}
