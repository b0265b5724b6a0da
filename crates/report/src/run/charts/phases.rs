//! The phases of a run: when its client read and when it did not, derived from the samples.

use std::ops::RangeInclusive;

use echoctl_record::Sample;

use super::is_echo;
use crate::Phase;

/// The spans in which bytes were read, and those in which none were, which are shaded. Empty where the client read all the
/// time, or stopped too often for each phase to have room for its name.
pub fn phases(samples: &[Sample]) -> Vec<Phase> {
    // Whether a server that need not echo had sent anything to read is not known.
    if !is_echo(samples) {
        return Vec::new();
    }
    let mut phases: Vec<Phase> = Vec::new();
    for (from, to, reads) in spans(samples) {
        // Spans alternate, so the second before this one is of the same kind.
        let label = match (reads, phases.len()) {
            (true, 0 | 1) => "reads",
            (true, _) => "reads again",
            (false, 0) => "does not read",
            (false, _) => "stops reading",
        };
        phases.push(Phase { from, to, label: label.to_owned(), is_shaded: !reads });
    }
    let are_shown = phases.len() <= MAX_PHASES && phases.iter().any(|phase| phase.is_shaded);
    if are_shown { phases } else { Vec::new() }
}

/// The longest of `phases` in which the client did not read: from and to, in seconds.
pub fn stall(phases: &[Phase]) -> Option<RangeInclusive<f64>> {
    let length = |phase: &&Phase| phase.to - phase.from;
    let longest =
        phases.iter().filter(|phase| phase.is_shaded).max_by(|a, b| length(a).total_cmp(&length(b)))?;
    Some(longest.from..=longest.to)
}

/// From, to, and whether anything was read. Pauses shorter than [`PAUSE`] belong to the reading around them; so does the time
/// after everything has been read. Until the first byte is read, the client counts as not reading.
fn spans(samples: &[Sample]) -> Vec<(f64, f64, bool)> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let mut spans: Vec<(f64, f64, bool)> = Vec::new();
    let mut add = |from: f64, to: f64, reads: bool| match spans.last_mut() {
        Some(span) if span.2 == reads => span.1 = to,
        _ if to > from => spans.push((from, to, reads)),
        _ => {}
    };
    // Start of the time in which nothing has been read.
    let mut quiet = first.t;
    for pair in samples.windows(2) {
        let read = pair[1].consumed > pair[0].consumed;
        let is_done = pair[0].consumed == pair[0].produced && pair[0].consumed > 0;
        if !read && !is_done {
            continue;
        }
        // At the start nothing was pending yet, so a short quiet time there is not a refusal to read.
        add(quiet, pair[0].t, pair[0].t - quiet < PAUSE);
        add(pair[0].t, pair[1].t, true);
        quiet = pair[1].t;
    }
    add(quiet, last.t, last.t - quiet < PAUSE);
    spans
}

/// Seconds: a slow reader that reads a piece from time to time is still reading.
const PAUSE: f64 = 1.0;

/// With more phases than this there is no room for their names.
const MAX_PHASES: usize = 5;
