//! Draws a chart as SVG, for a projector, a phone or paper, in light and dark mode, and for screen readers.
//!
//! ```text
//! title                                    the chart's title, wrapped
//!          reads   | stops reading | …     the phases, over the spans that they shade
//! 128 MiB ┤                 ╭─ OFF         lines and bands, their labels on them
//!       0 ┼──┬───────┬───────┬──
//!           0 s     2 s     4 s
//! ▨ thin band, at most 12 KiB              the key: bands too thin for their label
//! ```
//!
//! Colours are classes, not values: the style sheet defines them for light mode, dark mode and print. Width and height are
//! coordinates; a drawing fills the available width, so a page for phones, too, contains two [`Size`]s and shows the one that
//! fits.

mod defs;
mod key;
mod labels;
mod layout;
mod outlines;
mod size;

use std::fmt::{self, Formatter};

use key::Key;
use labels::room;
use layout::Layout;
pub use size::Size;

use crate::draw::downsample::downsample;
use crate::draw::escape::Escaped;
use crate::draw::style::STYLE;
use crate::model::axis::Axis;
use crate::{Chart, Form};

/// The chart as an SVG file, with its style sheet.
pub fn draw(chart: &Chart, size: Size) -> String {
    Drawing::new(chart, size, "chart", true).to_string()
}

/// Charts one below the other as one SVG file, with the same horizontal position for the same time.
pub fn sheet(charts: &[Chart], size: Size) -> String {
    // An empty line between the key of one chart and the title of the next.
    let pitch = size.height + size.font;
    let (width, height) = (size.width, pitch * charts.len() as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (index, chart) in charts.iter().enumerate() {
        let y = pitch * index as f64;
        out.push_str(&format!("<svg y=\"{y}\" width=\"{width}\" height=\"{}\">\n", size.height));
        out.push_str(&embed(chart, size, &format!("chart{}", index + 1)));
        out.push_str("</svg>\n");
    }
    out + "</svg>\n"
}

/// The chart as part of a page with the style sheet. `id` must be unique in the page.
pub(crate) fn embed(chart: &Chart, size: Size, id: &str) -> String {
    Drawing::new(chart, size, id, false).to_string()
}

/// A chart laid out for a size.
struct Drawing<'a> {
    chart: &'a Chart,
    size: Size,
    id: &'a str,
    is_file: bool,
    layout: Layout,
    time: Axis,
    value: Axis,
    /// The line of each series, or the top of its band, in the drawing's coordinates.
    outlines: Vec<Vec<(f64, f64)>>,
    key: Key,
}

impl<'a> Drawing<'a> {
    fn new(chart: &'a Chart, size: Size, id: &'a str, is_file: bool) -> Drawing<'a> {
        let value = chart.value_axis((size.height / size.font / 4.0) as usize);
        let time = chart.time_axis((size.width / size.font / 5.0) as usize);
        let tops = chart.outlines();
        let outlines = |layout: &Layout| -> Vec<Vec<(f64, f64)>> {
            // Two pixels per column: the width of a line.
            let columns = ((layout.plot.right - layout.plot.left) / 2.0) as usize;
            let place = |(t, v)| (layout.x(time.place(t)), layout.y(value.place(v)));
            tops.iter()
                .map(|top| downsample(top, time.end, columns).into_iter().map(place).collect())
                .collect()
        };

        // Whether a band has room for its label depends on the height that the key leaves. With the key of all bands that height is
        // the smallest, so a band with enough room then has enough with a shorter key, too.
        let mut key = Key::of_all(chart);
        let mut layout = Layout::new(chart, size, &value, key.height(chart, size));
        if chart.form == Form::Bands {
            let lines = outlines(&layout);
            key = Key::new(
                (0..chart.series.len())
                    .filter(|band| room(&layout, &lines, *band, size, &chart.series[*band].label).is_none()),
            );
            layout = Layout::new(chart, size, &value, key.height(chart, size));
        }
        let outlines = outlines(&layout);
        Drawing { chart, size, id, is_file, layout, time, value, outlines, key }
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

    /// The title, and the phases with their shading and names.
    fn ground(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Layout { plot, .. } = self.layout;
        for (index, line) in self.layout.title.iter().enumerate() {
            let y = self.size.font + index as f64 * self.size.line();
            text(f, "title", "start", (4.0, y), line)?;
        }
        // The right edge of the previous name.
        let mut named = 0.0;
        for (index, phase) in self.chart.valid_phases().enumerate() {
            let (from, to) =
                (self.layout.x(self.time.place(phase.from)), self.layout.x(self.time.place(phase.to)));
            let shade = if phase.is_shaded { "phase shaded" } else { "phase" };
            let (top, height) = (self.layout.phases, plot.bottom - self.layout.phases);
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
            let lines = self.size.wrap(&phase.label, to - from);
            let widest = lines.iter().map(|line| self.size.text(line)).fold(0.0, f64::max);
            // A name wider than its phase must stay in the drawing and not overlap the previous name.
            let x = ((from + to) / 2.0).min(self.size.width - widest / 2.0);
            if x - widest / 2.0 < named {
                continue;
            }
            named = x + widest / 2.0;
            for (row, line) in lines.iter().enumerate() {
                let y = top + (row as f64 + 0.75) * self.size.line();
                text(f, "phase-name", "middle", (x, y), line)?;
            }
        }
        Ok(())
    }

    fn axes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Layout { plot, .. } = self.layout;
        for tick in &self.value.ticks {
            let y = self.layout.y(self.value.place(*tick));
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
            let x = self.layout.x(self.time.place(*tick));
            let (y1, y2) = (plot.bottom, plot.bottom + 0.3 * self.size.font);
            writeln!(f, "<line class=\"zero\" x1=\"{x:.1}\" y1=\"{y1:.1}\" x2=\"{x:.1}\" y2=\"{y2:.1}\"/>")?;
            let label = self.time.label(*tick);
            // The label of the last tick may be too long to be centred below it.
            let x = x.min(self.size.width - self.size.text(&label) / 2.0);
            text(f, "tick", "middle", (x, plot.bottom + 1.4 * self.size.font), &label)?;
        }
        Ok(())
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.ground(f)?;
        self.axes(f)?;
        self.series(f)?;
        self.labels(f)?;
        self.key.write(f, self.chart, self.size, self.id)?;
        f.write_str("</svg>\n")
    }
}

fn text(f: &mut Formatter<'_>, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) -> fmt::Result {
    writeln!(
        f,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        Escaped(text)
    )
}
