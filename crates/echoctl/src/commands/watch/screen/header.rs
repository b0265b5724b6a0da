//! The lines over the table: the server as a whole, and how many connections have which cause.

use echoctl_record::{Bytes, ConnectionCause, ListenerFigures, Queue, Queues, Roles, Sample};
use echoctl_report::terminal::Colour;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use ratatui_core::text::{Line, Span};

use super::cause::label;
use super::fit::{draw_line, process, width, wrapped};
use super::reading::{Entry, Reading};
use super::theme::{STRONG, Theme, USUAL, WEAK};

/// The server as a whole, as of the last reading.
#[derive(Debug, Default)]
pub(super) struct Header {
    clock: String,
    seconds: f64,
    /// Labels with the parts of their values.
    fields: Vec<(&'static str, Vec<(String, Emphasis)>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emphasis {
    Usual,
    Weak,
    Culprit,
}

/// Whether figures change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    Live,
    Frozen,
}

impl Header {
    pub(super) fn new(reading: &Reading, entries: &[Entry], visibility: Option<&'static str>) -> Header {
        let mut fields = vec![
            ("connections", connections(reading)),
            (CAUSES, causes(entries)),
            ("traffic", traffic(reading)),
            ("memory", memory(reading)),
        ];
        if !reading.suspended.is_empty() {
            fields.push(("suspended", vec![(suspended(reading), Emphasis::Culprit)]));
        }
        fields.extend(visibility.map(|sentence| ("sockets", vec![(sentence.to_owned(), Emphasis::Usual)])));
        Header { clock: reading.clock.clone(), seconds: reading.sample.t, fields }
    }

    /// Lines that it needs on a terminal of this width.
    pub(super) fn height(&self, columns: usize) -> usize {
        1 + self.lines(columns, Theme::new(Colour::None)).len()
    }

    /// Draws as many lines as fit into `area`.
    pub(super) fn draw(&self, title: &str, motion: Motion, theme: Theme, area: Rect, buffer: &mut Buffer) {
        let columns = usize::from(area.width);
        let (time, style) = match motion {
            Motion::Frozen => (format!("frozen at {}", self.clock), theme.accent()),
            Motion::Live => (format!("{}  {:.0} s", self.clock, self.seconds.floor()), WEAK),
        };
        let room = columns.saturating_sub(width(&time) + 2);
        let title = process(title, room);
        let blanks = columns.saturating_sub(width(&title) + width(&time));
        let line = Line::from(vec![
            Span::styled(title, STRONG),
            Span::raw(" ".repeat(blanks)),
            Span::styled(time, style),
        ]);
        draw_line(buffer, area, 0, &line);
        for (index, line) in self.lines(columns, theme).iter().enumerate() {
            draw_line(buffer, area, index + 1, line);
        }
    }

    /// The fields, of which the causes may take two lines.
    fn lines(&self, columns: usize, theme: Theme) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for (label, parts) in &self.fields {
            let parts: Vec<Span> = parts
                .iter()
                .map(|(text, emphasis)| Span::styled(text.clone(), emphasis.style(theme)))
                .collect();
            let max = if *label == CAUSES { 2 } else { 1 };
            let mut label = *label;
            for values in wrapped(&parts, ", ", columns.saturating_sub(LABEL), max, WEAK) {
                let mut line = Line::styled(format!("{label:<LABEL$}"), WEAK);
                line.spans.extend(values.spans);
                lines.push(line);
                label = "";
            }
        }
        lines
    }
}

impl Emphasis {
    fn style(self, theme: Theme) -> Style {
        match self {
            Emphasis::Usual => USUAL,
            Emphasis::Weak => WEAK,
            Emphasis::Culprit => theme.accent(),
        }
    }
}

fn connections(reading: &Reading) -> Vec<(String, Emphasis)> {
    let mut parts = vec![
        (format!("{} now", reading.sample.connections), Emphasis::Usual),
        (format!("{} seen", reading.seen), Emphasis::Usual),
    ];
    let several = reading.listeners.len() > 1;
    // The fullest accept queue.
    let fill = |listener: &&ListenerFigures| {
        let (queue, limit) = (listener.accept_queue.unwrap_or(0), listener.accept_queue_limit.unwrap_or(0));
        u64::from(queue) * 1000 / u64::from(limit.max(1))
    };
    if let Some(listener) = reading.listeners.iter().max_by_key(fill) {
        if let Some(queue) = listener.accept_queue {
            let limit = listener.accept_queue_limit.map_or(String::new(), |limit| format!(" of {limit}"));
            let place = if several { format!(" at {}", listener.listen) } else { String::new() };
            let emphasis = if queue > 0 { Emphasis::Culprit } else { Emphasis::Usual };
            // One more than the limit looks like a mistake.
            let full = if listener.is_full() { " (full: limit + 1)" } else { "" };
            parts.push((format!("accept queue {queue}{limit}{full}{place}"), emphasis));
        }
        let syns: u32 = reading.listeners.iter().filter_map(|listener| listener.syns_waiting).sum();
        if syns > 0 {
            parts.push((format!("{syns} SYNs waiting"), Emphasis::Culprit));
        }
        let connecting: u32 = reading.listeners.iter().filter_map(|listener| listener.connecting).sum();
        if connecting > 0 {
            parts.push((format!("{connecting} cannot connect (SYN-SENT)"), Emphasis::Culprit));
        }
    }
    parts
}

fn causes(entries: &[Entry]) -> Vec<(String, Emphasis)> {
    let roles = entries.first().map_or(Roles::Served, |entry| entry.row.roles());
    let part = |cause| {
        let with_it = || entries.iter().filter(|entry| entry.row.cause == cause);
        let emphasis = match with_it().any(|entry| entry.row.diagnosis().is_culprit()) {
            true => Emphasis::Culprit,
            false => Emphasis::Usual,
        };
        Some(with_it().count())
            .filter(|count| *count > 0)
            .map(|count| (format!("{} {count}", label(cause, roles)), emphasis))
    };
    let parts: Vec<(String, Emphasis)> = ConnectionCause::ALL.into_iter().filter_map(part).collect();
    if parts.is_empty() { vec![("no connections".to_owned(), Emphasis::Weak)] } else { parts }
}

fn traffic(reading: &Reading) -> Vec<(String, Emphasis)> {
    match &reading.traffic {
        Some((received, sent)) => {
            vec![(format!("in {received}"), Emphasis::Usual), (format!("out {sent}"), Emphasis::Usual)]
        }
        None => vec![("not visible here".to_owned(), Emphasis::Weak)],
    }
}

/// Which processes of the server do nothing, and why.
fn suspended(reading: &Reading) -> String {
    let pids: Vec<String> = reading.suspended.iter().take(MAX_PIDS).map(u32::to_string).collect();
    let more = reading.suspended.len().saturating_sub(MAX_PIDS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} (pid {}{more}) by a signal: SIGSTOP, Ctrl-Z", reading.roles.watched(), pids.join(", "))
}

fn memory(reading: &Reading) -> Vec<(String, Emphasis)> {
    let (sample, name) = (&reading.sample, reading.roles.watched());
    let server =
        sample.server_memory.map_or((format!("{name}'s not visible here"), Emphasis::Weak), |bytes| {
            let trend = if reading.trend.is_empty() { String::new() } else { format!(" {}", reading.trend) };
            (format!("{name} {}{trend}", Bytes(bytes)), Emphasis::Usual)
        });
    let queued = Bytes(buffered(sample));
    let kernel = match sample.kernel_memory {
        None if sample.connections > 0 => ("kernel's not visible here".to_owned(), Emphasis::Weak),
        memory => (format!("kernel {} for {queued} queued", Bytes(memory.unwrap_or(0))), Emphasis::Usual),
    };
    vec![server, kernel]
}

/// Bytes in the kernel queues of all connections.
fn buffered(sample: &Sample) -> u64 {
    let queues = Queues::of(sample);
    Queue::ALL.into_iter().filter(|queue| queue.is_kernel()).filter_map(|queue| queues[queue]).sum()
}

/// The label of the causes.
const CAUSES: &str = "causes";

/// Processes that are named at most.
const MAX_PIDS: usize = 3;

/// Columns of the labels.
const LABEL: usize = 13;
