//! The phases of a run: when its client read and when it did not, told from the samples themselves.

use echoctl_record::Sample;

use crate::Phase;

/// The spans in which bytes were read and those in which none were, which are shaded. Empty when it read all the time, or
/// by fits and starts too many to name.
pub fn phases(samples: &[Sample]) -> Vec<Phase> {
    // Of a server that need not be an echo nobody knows whether there was anything to read.
    if samples.iter().any(|sample| sample.is_echo == Some(false)) {
        return Vec::new();
    }
    let mut phases: Vec<Phase> = Vec::new();
    for (from, to, reads) in spans(samples) {
        // Spans alternate, so the second before this one is of its kind.
        let label = match (reads, phases.len()) {
            (true, 0 | 1) => "reads",
            (true, _) => "reads again",
            (false, 0) => "does not read",
            (false, _) => "stops reading",
        };
        phases.push(Phase { from, to, label: label.to_owned(), is_shaded: !reads });
    }
    let is_told = phases.len() <= MOST && phases.iter().any(|phase| phase.is_shaded);
    if is_told { phases } else { Vec::new() }
}

/// From, to, and whether anything was read. Pauses shorter than [`PAUSE`] belong to the reading around them; so does
/// the time after all has been read, when there is nothing to read. Before the first byte is read, nobody reads.
fn spans(samples: &[Sample]) -> Vec<(f64, f64, bool)> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let mut spans: Vec<(f64, f64, bool)> = Vec::new();
    let mut add = |from: f64, to: f64, reads: bool| match spans.last_mut() {
        Some(span) if span.2 == reads => span.1 = to,
        _ if to > from => spans.push((from, to, reads)),
        _ => {}
    };
    // The beginning of the time in which nothing has been read.
    let mut quiet = first.t;
    for pair in samples.windows(2) {
        let read = pair[1].consumed > pair[0].consumed;
        let is_done = pair[0].consumed == pair[0].produced && pair[0].consumed > 0;
        if !read && !is_done {
            continue;
        }
        // Nothing was owed at the beginning, so nobody refused to read.
        add(quiet, pair[0].t, pair[0].t - quiet < PAUSE);
        add(pair[0].t, pair[1].t, true);
        quiet = pair[1].t;
    }
    add(quiet, last.t, last.t - quiet < PAUSE);
    spans
}

/// Seconds: a slow reader that takes a piece now and then still reads.
const PAUSE: f64 = 1.0;

/// More phases than this have no room for their names.
const MOST: usize = 5;
