//! The SVG writer: a drawing that reads on a projector, on a phone, on paper, in light and dark, and to a screen reader.
//!
//! ```text
//! title                                    the chart's title, wrapped
//!          reads   | stops reading | …     the phases, over the spans they shade
//! 128 MiB ┤                 ╭─ OFF         lines and bands, their labels on them
//!       0 ┼──┬───────┬───────┬──
//!           0 s     2 s     4 s
//! ▨ thin band, at most 12 KiB              the key: bands too thin to hold their label
//! ```
//!
//! Colours are classes, not values: [`STYLE`](crate::style::STYLE) gives them their light, dark and printed forms. Width
//! and height are coordinates; the drawing fills the width it is given, so a page that is read on phones too asks for two
//! [`Size`]s and shows the one that fits.

mod defs;
mod frame;
mod key;

use std::fmt::{self, Formatter};

use frame::Frame;
use key::Key;

use crate::axis::Axis;
use crate::escape::Escaped;
use crate::labels::{Placer, Rect, span_of};
use crate::style::STYLE;
use crate::thin::thin;
use crate::{Chart, Form, Mark, Series};

/// The drawing's own coordinates, in which a unit is a pixel when it is shown at its natural size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Height of the letters.
    pub font: f64,
}

impl Size {
    /// For a page on a screen, a projector or paper.
    pub const WIDE: Size = Size { width: 960.0, height: 460.0, font: 18.0 };
    /// For a telephone.
    pub const NARROW: Size = Size { width: 400.0, height: 400.0, font: 15.0 };

    /// The width of `text` in letters of this size: an upper estimate, since the font is the reader's.
    pub(crate) fn text(&self, text: &str) -> f64 {
        0.57 * self.font * text.chars().count() as f64
    }

    /// From one line of text to the next.
    pub(crate) fn line(&self) -> f64 {
        1.3 * self.font
    }

    /// `text` broken between words into lines of at most `width`.
    pub(crate) fn wrap(&self, text: &str, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.text(line) + self.text(word) + self.text(" ") <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}

/// The chart as an SVG file of its own, with its style in it.
pub fn draw(chart: &Chart, size: Size) -> String {
    Drawing::new(chart, size, "chart", true).to_string()
}

/// The chart as part of a page that has the style. `id` must be unique in the page.
pub(crate) fn embed(chart: &Chart, size: Size, id: &str) -> String {
    Drawing::new(chart, size, id, false).to_string()
}

/// A chart laid out for a size.
struct Drawing<'a> {
    chart: &'a Chart,
    size: Size,
    id: &'a str,
    is_file: bool,
    frame: Frame,
    time: Axis,
    value: Axis,
    /// The line of each series, or the top of its band, in the drawing's coordinates.
    outlines: Vec<Vec<(f64, f64)>>,
    key: Key,
}

impl<'a> Drawing<'a> {
    fn new(chart: &'a Chart, size: Size, id: &'a str, is_file: bool) -> Drawing<'a> {
        let value = chart.value_axis((size.height / size.font / 3.2) as usize);
        let time = chart.time_axis((size.width / size.font / 5.0) as usize);
        let tops = chart.outlines();
        let outlines = |frame: &Frame| -> Vec<Vec<(f64, f64)>> {
            // Two pixels a column: as fine as the lines are thick.
            let columns = ((frame.plot.right - frame.plot.left) / 2.0) as usize;
            let place = |(t, v)| (frame.x(time.place(t)), frame.y(value.place(v)));
            tops.iter().map(|top| thin(top, time.end, columns).into_iter().map(place).collect()).collect()
        };

        // Whether a band can hold its label depends on the height that the key leaves. With the key of all bands the
        // height is the least, so what holds its label then holds it with a shorter key too.
        let mut key = Key::of_all(chart);
        let mut frame = Frame::new(chart, size, &value, key.height(chart, size));
        if chart.form == Form::Bands {
            let lines = outlines(&frame);
            key = Key::new(
                (0..chart.series.len()).filter(|band| room(&frame, &lines, *band, size, chart).is_none()),
            );
            frame = Frame::new(chart, size, &value, key.height(chart, size));
        }
        let outlines = outlines(&frame);
        Drawing { chart, size, id, is_file, frame, time, value, outlines, key }
    }

    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Size { width, height, font } = self.size;
        let id = self.id;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             font-size=\"{font}\" aria-labelledby=\"{id}-title {id}-desc\">"
        )?;
        writeln!(f, "<title id=\"{id}-title\">{}</title>", Escaped(&self.chart.title))?;
        writeln!(f, "<desc id=\"{id}-desc\">{}</desc>", Escaped(&self.chart.description))?;
        if self.is_file {
            writeln!(f, "<style>{STYLE}</style>")?;
            writeln!(f, "<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>")?;
        }
        defs::write(f, id, &self.chart.series)
    }

    /// The title, the phases and the axes: what lies behind the series.
    fn ground(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Frame { plot, .. } = self.frame;
        for (index, line) in self.frame.title.iter().enumerate() {
            let y = self.size.font + index as f64 * self.size.line();
            text(f, "title", "start", (4.0, y), line)?;
        }
        for (index, phase) in self.chart.phases.iter().enumerate() {
            let (from, to) =
                (self.frame.x(self.time.place(phase.from)), self.frame.x(self.time.place(phase.to)));
            let shade = if index % 2 == 1 { "phase shaded" } else { "phase" };
            let (top, height) = (self.frame.phases, plot.bottom - self.frame.phases);
            writeln!(
                f,
                "<rect class=\"{shade}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                to - from
            )?;
            if index > 0 {
                let (y1, y2) = (top, plot.bottom);
                writeln!(
                    f,
                    "<line class=\"border\" x1=\"{from:.1}\" y1=\"{y1:.1}\" x2=\"{from:.1}\" y2=\"{y2:.1}\"/>"
                )?;
            }
            for (row, line) in self.size.wrap(&phase.label, to - from).iter().enumerate() {
                let y = top + (row as f64 + 0.75) * self.size.line();
                text(f, "phase-name", "middle", ((from + to) / 2.0, y), line)?;
            }
        }
        for tick in &self.value.ticks {
            let y = self.frame.y(self.value.place(*tick));
            let class = if *tick == 0.0 { "zero" } else { "grid" };
            writeln!(
                f,
                "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>",
                plot.left, plot.right
            )?;
            let at = (plot.left - 0.5 * self.size.font, y + 0.35 * self.size.font);
            text(f, "tick", "end", at, &self.value.label(*tick))?;
        }
        for tick in &self.time.ticks {
            let x = self.frame.x(self.time.place(*tick));
            let (y1, y2) = (plot.bottom, plot.bottom + 0.3 * self.size.font);
            writeln!(f, "<line class=\"zero\" x1=\"{x:.1}\" y1=\"{y1:.1}\" x2=\"{x:.1}\" y2=\"{y2:.1}\"/>")?;
            text(f, "tick", "middle", (x, plot.bottom + 1.4 * self.size.font), &self.time.label(*tick))?;
        }
        Ok(())
    }

    fn series(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (series, outline)) in self.chart.series.iter().zip(&self.outlines).enumerate() {
            if outline.is_empty() {
                continue;
            }
            if self.chart.form == Form::Bands {
                let floor = self.outlines.get(index + 1).map_or(&[][..], Vec::as_slice);
                self.band(f, series, outline, floor)?;
                continue;
            }
            // A line of one point has no length: its round end makes it a dot.
            let close = if outline.len() == 1 { "h0" } else { "" };
            let (ink, stroke) = (series.ink.name(), series.stroke.name());
            writeln!(f, "<path class=\"line {ink} {stroke}\" d=\"{}{close}\"/>", Path(outline))?;
        }
        Ok(())
    }

    /// An area between the outline of the band below, or the axis, and its own.
    fn band(
        &self,
        f: &mut Formatter<'_>,
        series: &Series,
        outline: &[(f64, f64)],
        floor: &[(f64, f64)],
    ) -> fmt::Result {
        let bottom = self.frame.plot.bottom;
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

    /// Limits and points, then the labels of all, each in a place of its own.
    fn labels(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Frame { plot, .. } = self.frame;
        let font = self.size.font;
        let mut lines = self.outlines.clone();
        let limits = self.chart.marks.iter().filter_map(|mark| match mark {
            Mark::Limit { value, label } => Some((self.frame.y(self.value.place(*value)), label)),
            Mark::Point { .. } => None,
        });
        let limits: Vec<(f64, &String)> = limits.collect();
        lines.extend(limits.iter().map(|(y, _)| vec![(plot.left, *y), (plot.right, *y)]));
        let mut placer = Placer::new(plot, lines, 0.35 * font);
        let write = |f: &mut Formatter<'_>, class: &str, rect: Rect, label: &str| {
            text(f, class, "middle", ((rect.left + rect.right) / 2.0, rect.top + 0.85 * font), label)
        };

        for (index, series) in self.chart.series.iter().enumerate() {
            let width = self.size.text(&series.label) + 0.4 * font;
            let place = match self.chart.form {
                Form::Lines => placer.beside(index, width, 1.15 * font),
                Form::Bands => room(&self.frame, &self.outlines, index, self.size, self.chart)
                    .inspect(|rect| placer.take(*rect)),
            };
            if let Some(rect) = place {
                let class = match self.chart.form {
                    Form::Lines => format!("label {}", series.ink.name()),
                    Form::Bands => "label".to_owned(),
                };
                write(f, &class, rect, &series.label)?;
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
        for mark in &self.chart.marks {
            let Mark::Point { t, value, label } = mark else { continue };
            let (x, y) = (self.frame.x(self.time.place(*t)), self.frame.y(self.value.place(*value)));
            writeln!(f, "<circle class=\"point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\"/>", 0.35 * font)?;
            if let Some(rect) = placer.at(x, y, self.size.text(label), 1.15 * font) {
                write(f, "label", rect, label)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.ground(f)?;
        self.series(f)?;
        self.labels(f)?;
        self.key.write(f, self.chart, self.size, self.id)?;
        f.write_str("</svg>\n")
    }
}

/// The place in a band where it is high enough for its label, and highest.
fn room(frame: &Frame, outlines: &[Vec<(f64, f64)>], band: usize, size: Size, chart: &Chart) -> Option<Rect> {
    let (width, height) = (size.text(&chart.series[band].label) + 0.6 * size.font, 1.3 * size.font);
    let steps = 60;
    let place = |step: i32| {
        let left = frame.plot.left
            + (frame.plot.right - frame.plot.left - width) * f64::from(step) / f64::from(steps);
        let (_, ceiling) = span_of(&outlines[band], left, left + width)?;
        let floor = match outlines.get(band + 1) {
            Some(below) => span_of(below, left, left + width)?.0,
            None => frame.plot.bottom,
        };
        let covered = outlines[band].first()?.0 <= left && outlines[band].last()?.0 >= left + width;
        let rect = Rect::sized(left, (floor + ceiling - height) / 2.0, width, height);
        (covered && floor - ceiling >= height && left >= frame.plot.left).then_some((rect, floor - ceiling))
    };
    (0..=steps).filter_map(place).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(rect, _)| rect)
}

fn text(f: &mut Formatter<'_>, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) -> fmt::Result {
    writeln!(
        f,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        Escaped(text)
    )
}

/// Points as the data of a path.
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
