//! One connection: its cause in a sentence, and its queues over time with one scale, so that they can be compared.

use echoctl_record::{Age, Bytes, Rate, printable};
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::{Line, Span};

use super::fit::{Align, begin_of, draw_line, joined, padded, wrapped};
use super::history::Point;
use super::reading::Entry;
use super::theme::{STRONG, Theme, USUAL, WEAK};

/// What is drawn.
pub(super) struct Detail<'a> {
    pub(super) entry: &'a Entry,
    /// Whether it was in the last reading.
    pub(super) is_open: bool,
    pub(super) points: &'a [Point],
    pub(super) theme: Theme,
}

impl Detail<'_> {
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let columns = usize::from(area.width);
        let diagnosis = self.entry.row.diagnosis();
        let cause = if diagnosis.is_culprit() { self.theme.accent() } else { USUAL };
        let mut lines = wrapped(&self.ends(), " ", columns, MOST_ENDS, STRONG);
        lines.extend([Line::styled(begin_of(&self.cause(), columns), cause), Line::default()]);
        for (label, parts) in self.fields() {
            let mut line = Line::styled(format!("{label:<LABEL$}"), WEAK);
            let parts = parts.into_iter().map(Span::raw).collect();
            line.spans.extend(joined(parts, ", ", columns.saturating_sub(LABEL), WEAK).spans);
            lines.push(line);
        }
        lines.push(Line::default());
        let used = lines.len();
        for (index, line) in lines.iter().enumerate() {
            draw_line(buffer, area, index, line);
        }
        if let Ok(used) = u16::try_from(used)
            && used < area.height
        {
            self.draw_queues(Rect { y: area.y + used, height: area.height - used, ..area }, buffer);
        }
    }

    /// The cause, and whether the process that it waits for is suspended.
    fn cause(&self) -> String {
        let suspended = if self.entry.row.is_suspended { ", suspended (SIGSTOP)" } else { "" };
        format!("{}{suspended}", self.entry.row.diagnosis())
    }

    /// Both ends, with their processes, in parts between which a line may end.
    fn ends(&self) -> Vec<Span<'static>> {
        let row = &self.entry.row;
        let client = [Some(row.client.clone()), row.client_process.clone()];
        let server = row.server.map(|server| [Some(format!("→ {server}")), row.server_process.clone()]);
        let parts = client.into_iter().chain(server.into_iter().flatten()).flatten();
        parts.map(|part| Span::styled(printable(&part).into_owned(), STRONG)).collect()
    }

    fn fields(&self) -> Vec<(&'static str, Vec<String>)> {
        let row = &self.entry.row;
        let state = if self.is_open { row.state.clone() } else { format!("closed; before: {}", row.state) };
        let mut fields = vec![("state", vec![state])];
        let moved = |bytes: Option<u64>, rate: Option<f64>| {
            bytes.map(|bytes| {
                format!(
                    "{}{}",
                    Bytes(bytes),
                    rate.map_or(String::new(), |rate| format!(" at {}", Rate(rate)))
                )
            })
        };
        let (received, written) = (moved(row.received, row.receive_rate), moved(row.written, row.send_rate));
        fields.extend(received.map(|text| ("received", vec![text])));
        fields.extend(written.map(|text| ("written", vec![text])));
        let reads = |name: &str, rate: Option<f64>| rate.map(|rate| format!("{name} {}", Rate(rate)));
        let reads: Vec<String> = reads(row.roles().peer(), row.client_read_rate)
            .into_iter()
            .chain(reads(row.roles().watched(), row.server_read_rate))
            .collect();
        if !reads.is_empty() {
            fields.push(("reads", reads));
        }
        let window =
            |name: &str, window: Option<u32>| window.map(|bytes| format!("{name}'s {}", Bytes(bytes.into())));
        let windows: Vec<String> = window(row.roles().peer(), row.client_window)
            .into_iter()
            .chain(window(row.roles().watched(), row.window))
            .chain(row.window_zero_seconds.map(|seconds| format!("zero for {}", Age(seconds))))
            .collect();
        if !windows.is_empty() {
            fields.push(("windows", windows));
        }
        fields.extend(row.kernel_memory.map(|bytes| ("kernel", vec![format!("{} of memory", Bytes(bytes))])));
        fields
    }

    /// One bar chart per queue, all with the same scale.
    fn draw_queues(&self, area: Rect, buffer: &mut Buffer) {
        let queues = self.entry.queues();
        let (peer, watched) = (self.entry.row.roles().peer(), self.entry.row.roles().watched());
        let names = [
            format!("{peer} send"),
            format!("{watched} receive"),
            format!("{watched} send"),
            format!("{peer} receive"),
        ];
        let visible: Vec<usize> = (0..queues.len())
            .filter(|&index| {
                queues[index].is_some() || self.points.iter().any(|point| point.queues[index].is_some())
            })
            .collect();
        let most = self.points.iter().flat_map(|point| point.queues).flatten().max().unwrap_or(0);
        let end = self.points.last().map_or(0.0, |point| point.t);
        let begin = self.points.first().map_or(0.0, |point| point.t).min(end - MIN_SECONDS);
        let chart = usize::from(area.width).saturating_sub(NAME + SIZE + 1);
        // One line for the titles, one for the axis.
        let room = usize::from(area.height).saturating_sub(2);
        let bar = (room / visible.len().max(1)).clamp(1, MAX_BAR);
        let title = format!("{:<NAME$}{:>SIZE$} up to {}", "queue", "now", Bytes(most));
        draw_line(buffer, area, 0, &Line::styled(begin_of(&title, area.width.into()), WEAK));
        for (place, &index) in visible.iter().enumerate() {
            let values = columns(self.points, index, begin, end, chart);
            for (line, cells) in bars(&values, most, bar).into_iter().enumerate() {
                // The name and the size are beside the foot of the bars.
                let (name, size) = match (line + 1 == bar, queues[index]) {
                    (false, _) => ("", String::new()),
                    (true, None) => (&*names[index], "-".to_owned()),
                    (true, Some(bytes)) => (&*names[index], Bytes(bytes).to_string()),
                };
                let text = format!("{name:<NAME$}{} ", padded(&size, SIZE, Align::Right));
                let line_of_area = 1 + place * bar + line;
                // The last line is the axis.
                if line_of_area + 1 < usize::from(area.height) || area.height < 3 {
                    draw_line(
                        buffer,
                        area,
                        line_of_area,
                        &Line::from(vec![Span::raw(text), Span::styled(cells, self.theme.bar())]),
                    );
                }
            }
        }
        let axis = (1 + visible.len() * bar).min(usize::from(area.height).saturating_sub(1));
        let since = format!("{:.0} s ago", end - begin);
        let blanks = chart.saturating_sub(since.len() + "now".len());
        if axis > 1 {
            let (before, between) = (" ".repeat(NAME + SIZE + 1), " ".repeat(blanks));
            draw_line(buffer, area, axis, &Line::styled(format!("{before}{since}{between}now"), WEAK));
        }
    }
}

/// The largest value of a queue in each of these columns of time; `None` before the first point. A column without a point has
/// that of the one before.
fn columns(points: &[Point], queue: usize, begin: f64, end: f64, columns: usize) -> Vec<Option<u64>> {
    let mut values = vec![None; columns];
    let step = (end - begin) / columns.max(1) as f64;
    for point in points {
        let column = ((point.t - begin) / step.max(f64::MIN_POSITIVE)) as usize;
        if let Some(value) = values.get_mut(column.min(columns.saturating_sub(1))) {
            *value = point.queues[queue].max(*value);
        }
    }
    let mut last = None;
    for value in &mut values {
        last = value.or(last);
        *value = last;
    }
    values
}

/// Bars of eighths of a line, as lines from the top.
fn bars(values: &[Option<u64>], most: u64, lines: usize) -> Vec<String> {
    let eighths = |value: u64| {
        let eighths = (value as f64 / most.max(1) as f64 * (lines * 8) as f64).round() as usize;
        // Whatever is in a queue is seen.
        if value > 0 { eighths.max(1) } else { 0 }
    };
    let cell = |value: Option<u64>, line: usize| match value {
        None => ' ',
        Some(value) => {
            let below = (lines - 1 - line) * 8;
            match eighths(value).saturating_sub(below) {
                0 if below == 0 => '·',
                0 => ' ',
                eighths => BARS[eighths.min(8) - 1],
            }
        }
    };
    (0..lines).map(|line| values.iter().map(|value| cell(*value, line)).collect()).collect()
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of the labels, of the names of queues, and of sizes.
const LABEL: usize = 13;
const NAME: usize = 16;
const SIZE: usize = 9;

/// Lines of the two ends at most: each address and each process on one of its own.
const MOST_ENDS: usize = 4;

/// Lines of a bar at most.
const MAX_BAR: usize = 4;

/// Seconds that a chart shows at least, so that it does not shrink while it begins.
const MIN_SECONDS: f64 = 30.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_one_scale() {
        assert_eq!(bars(&[None, Some(0), Some(1), Some(50), Some(100)], 100, 1), [" ·▁▄█"]);
        assert_eq!(bars(&[Some(0), Some(50), Some(75), Some(100)], 100, 2), ["  ▄█", "·███"]);
    }

    #[test]
    fn a_column_without_a_point_has_the_last_value() {
        let point = |t, bytes| Point { t, queues: [None, None, Some(bytes), None] };

        let values = columns(&[point(4.0, 7), point(4.1, 9), point(10.0, 1)], 2, 0.0, 10.0, 5);

        assert_eq!(values, [None, None, Some(9), Some(9), Some(1)]);
        assert_eq!(columns(&[point(0.0, 7)], 0, 0.0, 0.0, 3), [None; 3]);
        assert!(columns(&[point(0.0, 7)], 2, 0.0, 0.0, 0).is_empty());
    }
}
