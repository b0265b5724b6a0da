//! The map as text: the sentences first, then the drawing.

use echoctl_observe::Target;
use echoctl_record::{NodeKind, Pressure, ProcessMap, Rate, Seconds};
use echoctl_report::{MapMarks, NO_PRESSURE, map_text, pressure_sentence, wrap};

use super::summary::MapSummary;
use crate::output::{Styled, is_plain};

/// What is mapped.
pub(super) fn title(wanted: Option<&Target>) -> String {
    match wanted {
        None => "the processes of this host and their connections".to_owned(),
        Some(target) => format!("what is connected with {target}"),
    }
}

/// What the map says, one sentence per pressure.
fn sentences(map: &ProcessMap, pressures: &[Pressure]) -> Vec<String> {
    if map.processes.is_empty() && map.idle == 0 && map.t >= KNOWN_AFTER {
        return vec![NO_CONNECTION.to_owned()];
    }
    if pressures.is_empty() {
        let sentence = if map.t < KNOWN_AFTER { TOO_EARLY } else { NO_PRESSURE };
        return vec![sentence.to_owned()];
    }
    pressures.iter().map(|pressure| pressure_sentence(map, pressure)).collect()
}

/// The sentences as lines of a log, each with its time.
pub(super) fn lines(map: &ProcessMap, pressures: &[Pressure]) -> String {
    let line = |sentence: String| format!("{}  {sentence}", Seconds(map.t));
    sentences(map, pressures).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The screen, for a terminal of this size.
pub(super) fn screen(
    title: &str,
    map: &ProcessMap,
    pressures: &[Pressure],
    (columns, rows): (usize, usize),
) -> Styled {
    let time = Seconds(map.t).to_string();
    let width = columns.clamp(60, MAX_COLUMNS);
    let room = width.saturating_sub(time.len() + 2);
    let title = format!("{title:<room$.room$} {time}\n\n");
    let all = sentences(map, pressures);
    // A screen has no room for more, and the map shows the others.
    let said = all.iter().take(MAX_SENTENCES).flat_map(|sentence| wrap(sentence, width - 2));
    let said: String = said.map(|line| format!("{line}\n")).collect();
    let used = 4 + said.lines().count() + usize::from(hidden(map).is_some());
    let drawing = map_text(map, pressures, marks(), (width, rows.saturating_sub(used)));
    let note = hidden(map).map_or(String::new(), |note| format!("{note}\n"));
    Styled::from(title).then(Styled::strong(said)).then(format!("\n{drawing}{note}"))
}

/// The drawing, and what is not visible.
pub(super) fn drawing(map: &ProcessMap, pressures: &[Pressure], (columns, _): (usize, usize)) -> String {
    let drawing = map_text(map, pressures, marks(), (columns, MAX_LINES));
    let note = hidden(map).map_or(String::new(), |note| format!("{note}\n"));
    format!("\n{drawing}{note}")
}

/// One sentence about the whole watch.
pub(super) fn summary(summary: &MapSummary) -> String {
    let seconds = Seconds(summary.seconds);
    if summary.absorbers.is_empty() {
        let held_back = match summary.held_back_seconds {
            0.0 => "no process was held back".to_owned(),
            held_back => format!("processes were held back for {}, and none absorbed it", Seconds(held_back)),
        };
        return format!("In {seconds}, {held_back}.");
    }
    let absorber = |one: &super::summary::Absorber| {
        let place = if one.on_disk { " to disk" } else { "" };
        format!("{} absorbed up to {}{place} for {}", one.process, Rate(one.growth), Seconds(one.seconds))
    };
    let absorbers: Vec<String> = summary.absorbers.iter().map(absorber).collect();
    format!("In {seconds}, {}.", absorbers.join("; "))
}

/// What is not visible, and how it would be.
fn hidden(map: &ProcessMap) -> Option<&'static str> {
    let has = |kind| map.processes.iter().any(|node| node.kind == kind);
    match () {
        () if has(NodeKind::OtherUser) => Some("  root also sees the processes of other users"),
        () if has(NodeKind::Hidden) => {
            Some("  \"not visible here\": in another network namespace, or behind translated addresses")
        }
        () => None,
    }
}

fn marks() -> MapMarks {
    if is_plain() { MapMarks::Ascii } else { MapMarks::Unicode }
}

const NO_CONNECTION: &str = "No connection of TCP or of a Unix socket.";

const TOO_EARLY: &str = "A connection counts as held back after one second.";

/// Seconds after which a map without pressure says something.
const KNOWN_AFTER: f64 = 1.0;

/// Sentences on a screen.
const MAX_SENTENCES: usize = 3;

/// Columns of a screen at most: wider lines are hard to read.
const MAX_COLUMNS: usize = 120;

/// Lines of a drawing that is printed once.
const MAX_LINES: usize = 200;
