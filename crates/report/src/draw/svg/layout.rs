//! Computes the positions of a drawing's parts: the plot gets what title, phases, axes and key leave.

use super::Size;
use crate::draw::placer::Rect;
use crate::model::axis::Axis;
use crate::{Chart, Form};

/// Positions of the parts of a drawing.
pub(super) struct Layout {
    /// Where the series are drawn.
    pub(super) plot: Rect,
    /// Space above the plot for the label of a line that reaches its top.
    pub(super) headroom: f64,
    /// Top of the strip with the names of the phases.
    pub(super) phases: f64,
    /// The title, wrapped to the width.
    pub(super) title: Vec<String>,
}

impl Layout {
    /// The layout of `chart` above a key of height `key`.
    pub(super) fn new(chart: &Chart, size: Size, value: &Axis, key: f64) -> Layout {
        // Wide drawings are shown one below the other: their plots start at the same position, so that times are aligned.
        let usual = if size.width >= Size::WIDE.width { size.text("512 MiB/s") } else { 0.0 };
        let widest = value.ticks.iter().map(|tick| size.text(&value.label(*tick))).fold(usual, f64::max);
        // Bold letters are wider.
        let title = size.wrap(&chart.title, 0.92 * size.width);
        let (left, right) = (widest + 0.7 * size.font, size.width - size.font);
        let phases = title.len() as f64 * size.line() + 0.5 * size.font;
        let end = chart.time_axis(1).end;
        let rows = chart.valid_phases().map(|phase| {
            let width = (phase.to - phase.from).max(0.0) / end * (right - left);
            size.wrap(&phase.label, width).len()
        });
        let strip = rows.max().map_or(0.0, |rows| rows as f64 * size.line());
        let headroom = match chart.form {
            Form::Lines => 1.6 * size.font,
            Form::Bands => 0.6 * size.font,
        };
        let plot =
            Rect { left, top: phases + strip + headroom, right, bottom: size.height - key - 2.0 * size.font };
        Layout { plot, headroom, phases, title }
    }

    /// The x coordinate of a fraction (0 to 1) of the time axis.
    pub(super) fn x(&self, part: f64) -> f64 {
        self.plot.left + part * (self.plot.right - self.plot.left)
    }

    /// The y coordinate of a fraction (0 to 1) of the value axis.
    pub(super) fn y(&self, part: f64) -> f64 {
        self.plot.bottom - part * (self.plot.bottom - self.plot.top)
    }
}
