//! Draws the series: lines with a tint below them, and bands.

use std::fmt::{self, Formatter};

use super::{Drawing, defs};
use crate::{Form, Series, Stroke};

impl Drawing<'_> {
    /// All series, in order.
    pub(super) fn series(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (series, outline)) in self.chart.series.iter().zip(&self.outlines).enumerate() {
            if outline.is_empty() {
                continue;
            }
            if self.chart.form == Form::Bands {
                let floor = self.outlines.get(index + 1).map_or(&[][..], Vec::as_slice);
                self.band(f, series, outline, floor)?;
                continue;
            }
            if series.stroke == Stroke::Solid {
                self.tint(f, series, outline)?;
            }
            // A line with one point has no length; its round cap makes it a dot.
            let close = if outline.len() == 1 { "h0" } else { "" };
            let (ink, stroke) = (series.ink.name(), series.stroke.name());
            writeln!(f, "<path class=\"line {ink} {stroke}\" d=\"{}{close}\"/>", Path(outline))?;
        }
        Ok(())
    }

    /// A light tint below a solid line, which emphasises what rises.
    fn tint(&self, f: &mut Formatter<'_>, series: &Series, outline: &[(f64, f64)]) -> fmt::Result {
        let (Some(first), Some(last)) = (outline.first(), outline.last()) else { return Ok(()) };
        let (ink, bottom) = (series.ink.name(), self.layout.plot.bottom);
        writeln!(
            f,
            "<path class=\"tint {ink}\" d=\"{}L{:.1} {bottom:.1}L{:.1} {bottom:.1}Z\"/>",
            Path(outline),
            last.0,
            first.0
        )
    }

    /// The area between a band's outline and that of the band below, or the axis.
    fn band(
        &self,
        f: &mut Formatter<'_>,
        series: &Series,
        outline: &[(f64, f64)],
        floor: &[(f64, f64)],
    ) -> fmt::Result {
        let bottom = self.layout.plot.bottom;
        let mut edge = outline.to_vec();
        match (outline.first(), outline.last()) {
            (Some(first), Some(last)) if floor.is_empty() => {
                edge.extend([(last.0, bottom), (first.0, bottom)])
            }
            _ => edge.extend(floor.iter().rev()),
        }
        let (ink, fill) = (series.ink.name(), defs::fill(self.id, series));
        writeln!(f, "<path class=\"band {ink}\" fill=\"{fill}\" d=\"{}Z\"/>", Path(&edge))
    }
}

/// Points, formatted as the data of a path.
struct Path<'a>(&'a [(f64, f64)]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (x, y)) in self.0.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            write!(f, "{command}{x:.1} {y:.1}")?;
        }
        Ok(())
    }
}
