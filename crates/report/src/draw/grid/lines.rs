//! Draws lines with dots: a continuous track from column to column, interrupted as the stroke requires.

use std::ops::RangeInclusive;

use super::{Canvas, Grid};
use crate::draw::placer::{height_at, span_of};
use crate::{Ink, Stroke};

impl Grid<'_> {
    /// Draws all series, each over those before it.
    pub(super) fn lines(&self, canvas: &mut Canvas) {
        let mut cells = vec![(0u8, 0usize, Ink::Grey); self.columns * self.rows];
        for (index, series) in self.chart.series.iter().enumerate() {
            let mut drawn = 0;
            for x in 0..self.columns * self.glyphs.across {
                let Some(track) = self.track(&self.outlines[index], x) else { continue };
                // Dashes are measured along the line and not by columns, so that steep parts have dashes, too.
                let way = drawn;
                drawn += track.clone().count() - usize::from(self.glyphs.down > 1);
                for (step, y) in track.enumerate() {
                    if self.glyphs.down > 1 && !is_inked(series.stroke, way + step) {
                        continue;
                    }
                    let (column, row) = (x / self.glyphs.across, y / self.glyphs.down);
                    // Where two lines of characters share cells, they alternate.
                    if self.glyphs.down == 1 && column % 4 < 2 && cells[row * self.columns + column].0 != 0 {
                        continue;
                    }
                    let bit = x % self.glyphs.across + self.glyphs.across * (y % self.glyphs.down);
                    let cell = &mut cells[row * self.columns + column];
                    *cell = (cell.0 | 1 << bit, index, series.ink);
                }
            }
        }
        for (place, (dots, series, ink)) in cells.into_iter().enumerate().filter(|(_, cell)| cell.0 != 0) {
            let (column, row) = (self.left + place % self.columns, self.top + place / self.columns);
            canvas.put(column, row, self.glyphs.dots(dots, series), Some(ink));
        }
        self.marks(canvas);
    }

    /// The markers of each series, in different columns, so that lines on top of each other show both.
    fn marks(&self, canvas: &mut Canvas) {
        if self.chart.series.len() < 2 {
            return;
        }
        for (index, outline) in self.outlines.iter().enumerate() {
            let Some(mark) = self.glyphs.mark(index) else { return };
            for column in (2 + 4 * (index % 3)..self.columns).step_by(MARKS_APART) {
                let Some(y) = height_at(outline, column as f64 + 0.5) else { continue };
                let row = (y.max(0.0) as usize).min(self.rows - 1);
                canvas.put(self.left + column, self.top + row, mark, Some(self.chart.series[index].ink));
            }
        }
    }

    /// The dots, counted from the top, that a line covers in column `x` of dots: at least two if dots are small, because a single one
    /// is not visible on a projector.
    fn track(&self, line: &[(f64, f64)], x: usize) -> Option<RangeInclusive<usize>> {
        let across = self.glyphs.across as f64;
        let (from, to) = (x as f64 / across, (x as f64 + 1.0) / across);
        let (top, bottom) = span_of(line, from, to).or_else(|| {
            // A single point at the right end is on the border of the last column.
            let (at, y) = *line.last()?;
            (line.len() == 1 && at == to).then_some((y, y))
        })?;
        let last = self.rows * self.glyphs.down - 1;
        let dot = |y: f64| ((y * self.glyphs.down as f64) as usize).min(last);
        let (top, bottom) = (dot(top), dot(bottom));
        if self.glyphs.down == 1 || bottom > top {
            return Some(top..=bottom);
        }
        Some(top.min(last - 1)..=top.min(last - 1) + 1)
    }
}

/// Whether the dot at distance `way` along a line is drawn.
fn is_inked(stroke: Stroke, way: usize) -> bool {
    match stroke {
        Stroke::Solid => true,
        Stroke::Dashed => way % 10 < 6,
        Stroke::Dotted => way % 4 < 2,
        Stroke::DashDot => matches!(way % 14, 0..6 | 9..11),
    }
}

/// Columns between two markers of a line: room for those of two other lines, and for enough of the line between them.
const MARKS_APART: usize = 12;
