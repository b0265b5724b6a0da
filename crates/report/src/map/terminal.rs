//! Draws a map for a terminal: each chain of held back processes, then the other connections that buffer or transmit.
//!
//! ```text
//!   curl (7712)                  7.3 MiB                     does not read
//!    ▲ █████████▉ full           4.1 MiB       0 B/s         127.0.0.1:8081
//!   nginx (812 and 1 more)       2.2 MiB                     passes pressure on
//!    ▲ ██████████ full           4.3 MiB       0 B/s         127.0.0.1:8082
//!   node api.js (813)             92 MiB  +10 MiB/s          ABSORBS
//!    ▲ ▎                         128 KiB      10 MiB/s       127.0.0.1:8083
//!   python3 upstream.py (811)    7.1 MiB
//! ```
//!
//! All bars have one scale: the largest queue of the map.

use std::collections::BTreeSet;

use echoctl_record::{Bytes, Fill, Pressure, PressureRole, ProcessMap, Rate, count};

use super::chain::{Does, Flow, Line, chain};
use super::folded::{Folded, folded, names};
use super::sentence::{idle, name};
use crate::draw::path::bar;

/// The characters that a map is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapMarks {
    /// Blocks and arrows.
    Unicode,
    /// Only ASCII.
    Ascii,
}

/// The map in at most `columns` columns (60 at least) and `rows` lines, without its sentences. What has no room is counted.
pub fn map_text(
    map: &ProcessMap,
    pressures: &[Pressure],
    marks: MapMarks,
    (columns, rows): (usize, usize),
) -> String {
    let view = View { map, marks, widths: Widths::of(columns), most: most_queued(map) };
    let mut lines = Vec::new();
    let mut drawn = BTreeSet::new();
    for pressure in pressures {
        for line in chain(map, pressure) {
            lines.push(view.line(pressure, &line));
            if let Line::Flow(flow) = line {
                drawn.extend(flow.readers.iter().map(|&reader| (flow.writer, reader)));
            }
        }
        lines.push(String::new());
    }
    lines.extend(view.others(&drawn));
    let hidden = lines.len().saturating_sub(rows.saturating_sub(1));
    if hidden > 0 {
        lines.truncate(rows.saturating_sub(2));
        lines.push(format!("  and {} more", count(hidden as u64 + 1, "line")));
    }
    lines.extend(idle(map).map(|idle| format!("  and {idle}")));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A map and how it is drawn.
struct View<'a> {
    map: &'a ProcessMap,
    marks: MapMarks,
    widths: Widths,
    /// The largest queue, to which all bars refer.
    most: u64,
}

/// Columns of the parts of a line: in a narrow one, a process has no growth, and a flow no address.
struct Widths {
    name: usize,
    bar: usize,
    /// Of the last column.
    note: usize,
    is_narrow: bool,
}

impl Widths {
    fn of(columns: usize) -> Widths {
        // Some terminals wrap in their last column.
        let columns = columns.saturating_sub(1).clamp(MIN_COLUMNS, MAX_COLUMNS);
        if columns < WIDE {
            let name = columns - (2 + BYTES + NARROW_NOTE + 2);
            return Widths { name, bar: MIN_BAR, note: NARROW_NOTE, is_narrow: true };
        }
        let fixed = 2 + BYTES + RATE + 3;
        let name = (columns - fixed) * 11 / 20;
        Widths { name, bar: (name - 9).min(MAX_BAR), note: columns - fixed - name, is_narrow: false }
    }
}

impl View<'_> {
    fn line(&self, pressure: &Pressure, line: &Line) -> String {
        match line {
            Line::Process { depth, node, does } => {
                let does = match does {
                    Does::Begins => pressure.begins.verb(pressure.readers.len() > 1).to_owned(),
                    Does::Role(role) => role_text(*role),
                    Does::Feeds => String::new(),
                };
                let process = self.map.processes.get(*node);
                let growth = process.and_then(|node| node.memory_growth).map_or(String::new(), growth_text);
                let memory = size(process.and_then(|node| node.memory));
                let name = name(self.map, *node);
                match self.widths.is_narrow {
                    true => self.narrow(*depth, &name, memory, &does),
                    false => self.wide(*depth, &name, memory, &growth, &does),
                }
            }
            Line::Flow(flow) => self.flow(flow),
        }
    }

    fn flow(&self, flow: &Flow) -> String {
        let arrow = if self.marks == MapMarks::Ascii { '^' } else { '▲' };
        let (bars, fill) = (self.bar(flow.queued.unwrap_or(0)), fill_text(flow.fill));
        let width = self.widths.bar;
        let bar = format!(" {arrow} {bars:<width$} {fill}");
        let (rate, queued) = (rate_text(flow.rate), size(flow.queued));
        let connections = match flow.connections {
            1 => String::new(),
            all if flow.held_back > 0 => format!("{} of {all} ", flow.held_back),
            all => format!("{all}: "),
        };
        match self.widths.is_narrow {
            true => self.narrow(flow.depth, &format!("{bar} {connections}"), queued, &rate),
            false => self.wide(flow.depth, &bar, queued, &rate, &format!("{connections}{}", flow.address)),
        }
    }

    fn wide(&self, depth: usize, name: &str, bytes: String, rate: &str, note: &str) -> String {
        self.narrow(
            depth,
            name,
            bytes,
            &format!("{rate:>RATE$} {}", shortened(note, self.widths.note, self.marks)),
        )
    }

    fn narrow(&self, depth: usize, name: &str, bytes: String, note: &str) -> String {
        let indent = 2 + 2 * depth.min(MAX_DEPTH);
        let width = self.widths.name + 2 - indent;
        let name = shortened(name, width, self.marks);
        format!("{:indent$}{name:<width$} {bytes:>BYTES$} {note}", "")
    }

    fn bar(&self, bytes: u64) -> String {
        match self.marks {
            MapMarks::Unicode => bar(bytes, self.most, self.widths.bar),
            MapMarks::Ascii => "#".repeat(bar(bytes, self.most, self.widths.bar).chars().count()),
        }
    }

    /// The connections that no chain contains, those that buffer most first.
    fn others(&self, drawn: &BTreeSet<(usize, usize)>) -> Vec<String> {
        let directions = self.map.edges.iter().flat_map(|edge| edge.directions());
        let busy = directions
            .filter(|one| one.flow.fill != Fill::Empty || one.flow.rate.is_some_and(|rate| rate > 0.0))
            .filter(|one| !drawn.contains(&(one.writer, one.reader)))
            .map(|one| Flow::of(&one));
        let mut flows = folded(self.map, busy);
        let rank = |flow: &Flow| (flow.queued.unwrap_or(0) as f64).max(flow.rate.unwrap_or(0.0));
        flows.sort_by(|one, other| rank(&other.sum).total_cmp(&rank(&one.sum)));
        let mut lines: Vec<String> = flows.iter().map(|flow| self.other(flow)).collect();
        if !lines.is_empty() {
            let (name, queued) = ("other connections", "queued".to_owned());
            lines.insert(
                0,
                match self.widths.is_narrow {
                    true => self.narrow(0, name, queued, "read"),
                    false => self.wide(0, name, queued, "read", "by"),
                },
            );
        }
        lines
    }

    fn other(&self, folded: &Folded) -> String {
        let flow = &folded.sum;
        let (rate, queued) = (rate_text(flow.rate), size(flow.queued));
        let count = if flow.connections == 1 { String::new() } else { format!(", {}", flow.connections) };
        let end = format!("{count}{}", if flow.fill == Fill::Full { ", full" } else { "" });
        let [writer, reader] = [&folded.writers, &folded.readers].map(|nodes| names(self.map, nodes));
        let short = |name: &str, columns: usize| shortened(name, columns, self.marks);
        if self.widths.is_narrow {
            let arrow = if self.marks == MapMarks::Ascii { ">" } else { "→" };
            let half = self.widths.name.saturating_sub(3) / 2;
            let ends = format!("{} {arrow} {}", short(&writer, half), short(&reader, half));
            return self.narrow(0, &ends, queued, &format!("{rate}{end}"));
        }
        let reader = short(&reader, self.widths.note.saturating_sub(end.len()));
        self.wide(0, &writer, queued, &rate, &format!("{reader}{end}"))
    }
}

fn role_text(role: PressureRole) -> String {
    match role {
        PressureRole::Absorbs { .. } => "ABSORBS".to_owned(),
        PressureRole::AbsorbsToDisk { rate } => format!("ABSORBS {} to disk", Rate(rate)),
        role => role.to_string(),
    }
}

/// Growth of memory, if it is worth a figure.
fn growth_text(rate: f64) -> String {
    let sign = if rate > 0.0 { "+" } else { "" };
    if rate.abs() < MIN_GROWTH { String::new() } else { format!("{sign}{}", Rate(rate)) }
}

fn rate_text(rate: Option<f64>) -> String {
    rate.map_or(String::new(), |rate| Rate(rate).to_string())
}

fn fill_text(fill: Fill) -> &'static str {
    if fill == Fill::Full { "full" } else { "" }
}

/// A number of bytes, if it is visible.
fn size(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string())
}

fn most_queued(map: &ProcessMap) -> u64 {
    let flows = map.edges.iter().flat_map(|edge| edge.directions());
    flows.filter_map(|one| one.flow.queued()).max().unwrap_or(0)
}

/// A text in at most this many columns. Of a long one the beginning is shown.
fn shortened(text: &str, columns: usize, marks: MapMarks) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mark = if marks == MapMarks::Ascii { "~" } else { "…" };
    let start: String = text.chars().take(columns.saturating_sub(1)).collect();
    start + mark
}

/// Columns of a size and of a rate.
const BYTES: usize = 8;
const RATE: usize = 11;

/// Columns of a line: below that a map does not fit, and wider lines are hard to read.
const MIN_COLUMNS: usize = 59;
const MAX_COLUMNS: usize = 119;

/// Columns of a bar at most, and in a narrow line.
const MAX_BAR: usize = 18;
const MIN_BAR: usize = 12;

/// Columns from which on a line is wide, and the last column of a narrow one: as wide as what a process does.
const WIDE: usize = 76;
const NARROW_NOTE: usize = 18;

/// Levels of indentation at most.
const MAX_DEPTH: usize = 4;

/// Bytes per second: smaller changes of memory are not worth a figure.
const MIN_GROWTH: f64 = 16.0 * 1024.0;
