//! Draws the labels: beside their lines, or inside their bands.

use std::fmt::{self, Formatter};

use super::layout::Layout;
use super::{Drawing, Size, text};
use crate::Form;
use crate::draw::placer::{Placer, Rect, span_of};

impl Drawing<'_> {
    /// Limits, and the labels of everything, none of which overlap.
    pub(super) fn labels(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Layout { plot, .. } = self.layout;
        let font = self.size.font;
        let mut lines = self.outlines.clone();
        let y = |value| self.layout.y(self.value.place(value));
        let limits = self.chart.valid_limits().map(|limit| (y(limit.value), &limit.label));
        let limits: Vec<(f64, &String)> = limits.collect();
        lines.extend(limits.iter().map(|(y, _)| vec![(plot.left, *y), (plot.right, *y)]));
        let area = Rect { top: plot.top - self.layout.headroom, ..plot };
        let mut placer = Placer::new(area, lines, 0.35 * font);
        let write = |f: &mut Formatter<'_>, class: &str, rect: Rect, label: &str| {
            text(f, class, "middle", ((rect.left + rect.right) / 2.0, rect.top + 0.85 * font), label)
        };

        for (index, series) in self.chart.series.iter().enumerate() {
            if self.chart.form == Form::Lines {
                let width = self.size.text(&series.label) + 0.4 * font;
                if let Some(rect) = placer.beside(index, width, 1.15 * font) {
                    write(f, &format!("label {}", series.ink.name()), rect, &series.label)?;
                }
                continue;
            }
            if self.key.has(index) {
                continue;
            }
            let within = |name: &str| room(&self.layout, &self.outlines, index, self.size, name);
            let (full, short) = (self.chart.key_entry(&self.chart.series[index]), &series.label);
            if let Some((name, rect)) =
                within(&full).map(|rect| (&full, rect)).or(within(short).map(|rect| (short, rect)))
            {
                placer.occupy(rect);
                write(f, "label", rect, name)?;
            }
        }
        for (index, (y, label)) in limits.iter().enumerate() {
            writeln!(
                f,
                "<line class=\"limit\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>",
                plot.left, plot.right
            )?;
            if let Some(rect) = placer.beside(self.outlines.len() + index, self.size.text(label), 1.15 * font)
            {
                write(f, "label limit-name", rect, label)?;
            }
        }
        Ok(())
    }
}

/// The position in a band where it is highest, if it is high enough for a label.
pub(super) fn room(
    layout: &Layout,
    outlines: &[Vec<(f64, f64)>],
    band: usize,
    size: Size,
    label: &str,
) -> Option<Rect> {
    let (width, height) = (size.text(label) + 0.6 * size.font, 1.3 * size.font);
    let steps = 60;
    let place = |step: i32| {
        let left = layout.plot.left
            + (layout.plot.right - layout.plot.left - width) * f64::from(step) / f64::from(steps);
        let (_, ceiling) = span_of(&outlines[band], left, left + width)?;
        let floor = match outlines.get(band + 1) {
            Some(below) => span_of(below, left, left + width)?.0,
            None => layout.plot.bottom,
        };
        let covered = outlines[band].first()?.0 <= left && outlines[band].last()?.0 >= left + width;
        let rect = Rect::sized(left, (floor + ceiling - height) / 2.0, width, height);
        (covered && floor - ceiling >= height && left >= layout.plot.left).then_some((rect, floor - ceiling))
    };
    (0..=steps).filter_map(place).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(rect, _)| rect)
}
