//! Draws a chart in character cells, for [`terminal`](crate::terminal) and [`plain`](crate::plain).
//!
//! ```text
//! title
//!          reads    : stops reading  :       the phases, over the spans between the borders
//! 128 MiB |         :    ####  OFF   :       lines with their labels, or bands
//!       0 +ooooooooo:oooooooooooooooo:
//!         +----+----+----+----+----+--
//!         0 s      2 s       4 s
//! # band: at most 12 KiB                     the key, for bands
//! ```
//!
//! The two differ only in their [`Glyphs`]. A line is drawn with dots, of which a cell has one (ASCII) or two by four (braille).
//! Nothing is written outside the given width and height.

mod canvas;
mod glyphs;
mod lines;

pub(crate) use canvas::Canvas;
pub(crate) use glyphs::Glyphs;

use crate::draw::downsample::downsample;
use crate::draw::placer::{Placer, Rect, span_of};
use crate::model::axis::Axis;
use crate::{Chart, Form, Ink, Series};

/// The chart in `width` by `height` cells; without room for a plot, only its title.
pub(crate) fn compose(chart: &Chart, width: usize, height: usize, glyphs: &Glyphs) -> Canvas {
    let mut canvas = Canvas::new(width, height);
    canvas.write(0, 0, &glyphs.text(&chart.title), None);
    if let Some(grid) = Grid::new(chart, width, height, glyphs) {
        grid.axes(&mut canvas);
        grid.phases(&mut canvas);
        match chart.form {
            Form::Lines => grid.lines(&mut canvas),
            Form::Bands => grid.bands(&mut canvas),
        }
        grid.limits_and_labels(&mut canvas);
        grid.key(&mut canvas);
    }
    canvas
}

/// A chart laid out in cells. Columns and rows count from the upper left corner of the canvas.
struct Grid<'a> {
    chart: &'a Chart,
    glyphs: &'a Glyphs,
    width: usize,
    /// First column of the plot, and the number of its columns.
    left: usize,
    columns: usize,
    /// First row of the plot, and the number of its rows.
    top: usize,
    rows: usize,
    time: Axis,
    value: Axis,
    /// The line of each series, or the top of its band: in cells, from the upper left corner of the plot.
    outlines: Vec<Vec<(f64, f64)>>,
}

impl<'a> Grid<'a> {
    fn new(chart: &'a Chart, width: usize, height: usize, glyphs: &'a Glyphs) -> Option<Grid<'a>> {
        let top = 1 + usize::from(chart.valid_phases().next().is_some());
        let key = match chart.form {
            Form::Bands => key_places(chart, glyphs, width).last().map_or(0, |(_, _, row)| row + 1),
            Form::Lines => 0,
        };
        let rows = height.checked_sub(top + 2 + key).filter(|rows| *rows >= 2)?;
        let value = chart.value_axis((rows / 2).clamp(1, 8));
        let widest = value.ticks.iter().map(|tick| glyphs.text(&value.label(*tick)).chars().count()).max()?;
        // The charts of a run are printed one below the other: those of bytes start at the same column.
        let left = widest.max("512 MiB".len()) + 2;
        let columns = width.checked_sub(left).filter(|columns| *columns >= 8)?;
        let time = chart.time_axis((columns / 9).max(1));
        let place =
            |(t, v): (f64, f64)| (time.place(t) * columns as f64, (1.0 - value.place(v)) * rows as f64);
        let fine = columns * glyphs.across;
        let outlines = chart.outlines().into_iter();
        let outlines =
            outlines.map(|line| downsample(&line, time.end, fine).into_iter().map(place).collect()).collect();
        Some(Grid { chart, glyphs, width, left, columns, top, rows, time, value, outlines })
    }

    fn axes(&self, canvas: &mut Canvas) {
        let bottom = self.top + self.rows;
        for row in self.top..bottom {
            canvas.put(self.left - 1, row, self.glyphs.vertical, None);
        }
        for column in self.left..self.width {
            canvas.put(column, bottom, self.glyphs.horizontal, None);
        }
        canvas.put(self.left - 1, bottom, self.glyphs.corner, None);
        for tick in &self.value.ticks {
            // The row in which a line or a limit of this value is drawn; that of the least value is the axis.
            let row = self.top + ((1.0 - self.value.place(*tick)) * self.rows as f64).floor() as usize;
            let label = self.glyphs.text(&self.value.label(*tick));
            canvas.write((self.left - 2).saturating_sub(label.chars().count()), row, &label, None);
            let glyph = if row == bottom { self.glyphs.corner } else { self.glyphs.value_tick };
            canvas.put(self.left - 1, row, glyph, None);
        }
        let mut free = 0;
        for tick in &self.time.ticks {
            let column = self.column(*tick);
            let label = self.glyphs.text(&self.time.label(*tick));
            let length = label.chars().count();
            let start = column.saturating_sub(length / 2).min(self.width.saturating_sub(length));
            canvas.put(column.min(self.width - 1), bottom, self.glyphs.time_tick, None);
            if start >= free {
                canvas.write(start, bottom + 1, &label, None);
                free = start + length + 1;
            }
        }
    }

    /// The names of the phases, and the borders between them.
    fn phases(&self, canvas: &mut Canvas) {
        for (index, phase) in self.chart.valid_phases().enumerate() {
            if index > 0 {
                let column = self.column(phase.from);
                for row in self.top - 1..self.top + self.rows {
                    canvas.put(column, row, self.glyphs.border, Some(Ink::Grey));
                }
            }
        }
        // The column after the previous name.
        let mut named = 0;
        for phase in self.chart.valid_phases() {
            let (from, to) = (self.column(phase.from), self.column(phase.to));
            // A name wider than its phase must stay in the chart and not overlap the previous name.
            let label = self.glyphs.text(&phase.label);
            let length = label.chars().count();
            let start = (from + 1 + to).saturating_sub(length) / 2;
            let start = start.min(self.width.saturating_sub(length));
            if start >= named {
                canvas.write(start, self.top - 1, &label, None);
                named = start + length + 1;
            }
        }
    }

    /// Fills each cell with the band that takes most of it.
    fn bands(&self, canvas: &mut Canvas) {
        for column in 0..self.columns {
            let (from, to) = (column as f64, column as f64 + 1.0);
            // The highest that each band reaches within the column, so that a short peak is not lost.
            let tops = self.outlines.iter().map(|line| span_of(line, from, to).map(|(top, _)| top));
            let tops: Vec<Option<f64>> = tops.collect();
            for row in 0..self.rows {
                if let Some(series) = self.widest_in(&tops, row as f64) {
                    canvas.put(
                        self.left + column,
                        self.top + row,
                        self.glyphs.band(series),
                        Some(series.ink),
                    );
                }
            }
        }
    }

    /// The band that fills most of a cell, of those whose tops are at `tops`; none where most of it is empty.
    fn widest_in(&self, tops: &[Option<f64>], row: f64) -> Option<&Series> {
        let part = |top: f64, bottom: f64| bottom.min(row + 1.0) - top.max(row);
        let mut widest = None;
        let mut most = part(0.0, tops.iter().flatten().copied().reduce(f64::min)?);
        for (index, top) in tops.iter().enumerate() {
            let bottom = tops[index + 1..].iter().flatten().next().copied().unwrap_or(self.rows as f64);
            let here = part((*top)?, bottom);
            if here > most {
                (widest, most) = (Some(&self.chart.series[index]), here);
            }
        }
        widest
    }

    fn limits_and_labels(&self, canvas: &mut Canvas) {
        let area = Rect { left: 0.0, top: 0.0, right: self.columns as f64, bottom: self.rows as f64 };
        let y = |value| (1.0 - self.value.place(value)) * self.rows as f64;
        let limits = self.chart.valid_limits().map(|limit| (y(limit.value), &limit.label));
        let limits: Vec<(f64, &String)> = limits.collect();
        let mut lines = self.outlines.clone();
        lines.extend(limits.iter().map(|(y, _)| vec![(0.0, *y), (area.right, *y)]));
        let mut placer = Placer::in_cells(area, lines);
        let write = |canvas: &mut Canvas, place: Option<Rect>, label: &str, ink| {
            if let Some(rect) = place {
                canvas.write(self.left + rect.left as usize, self.top + rect.top as usize, label, ink);
            }
        };

        for (index, series) in self.chart.series.iter().enumerate() {
            // A space on each side separates the label from lines and borders.
            let sign = self.glyphs.sign(index).filter(|_| self.chart.series.len() > 1);
            let sign = sign.map_or(String::new(), |sign| format!("{sign} "));
            let label = format!(" {sign}{} ", self.glyphs.text(&series.label));
            if self.chart.form == Form::Lines && !series.label.is_empty() {
                let place = placer.beside(index, label.chars().count() as f64, 1.0);
                write(canvas, place, &label, Some(series.ink));
            }
        }
        for (index, (y, label)) in limits.iter().enumerate() {
            let row = self.top + (y.floor() as usize).min(self.rows - 1);
            for column in (self.left..self.width).step_by(2) {
                canvas.put_behind(column, row, self.glyphs.limit);
            }
            let label = self.glyphs.text(label);
            let place = placer.beside(self.outlines.len() + index, label.chars().count() as f64, 1.0);
            write(canvas, place, &label, None);
        }
    }

    fn key(&self, canvas: &mut Canvas) {
        if self.chart.form != Form::Bands {
            return;
        }
        let top = self.top + self.rows + 2;
        let places = key_places(self.chart, self.glyphs, self.width);
        for (series, (entry, column, row)) in self.chart.series.iter().zip(places) {
            let swatch = self.glyphs.band(series).to_string().repeat(2);
            canvas.write(column, top + row, &swatch, Some(series.ink));
            canvas.write(column + 3, top + row, &entry, None);
        }
    }

    /// The column of the canvas for time `t`; the end of the axis is the column after the last.
    fn column(&self, t: f64) -> usize {
        self.left + (self.time.place(t) * self.columns as f64) as usize
    }
}

/// The text, column and row of each entry of the key.
fn key_places(chart: &Chart, glyphs: &Glyphs, width: usize) -> Vec<(String, usize, usize)> {
    let (mut column, mut row) = (0, 0);
    let place = |series: &Series| {
        let entry = glyphs.text(&chart.key_entry(series));
        let length = entry.chars().count() + 3;
        if column > 0 && column + length > width {
            (column, row) = (0, row + 1);
        }
        let here = (entry, column, row);
        column += length + 2;
        here
    };
    chart.series.iter().map(place).collect()
}
