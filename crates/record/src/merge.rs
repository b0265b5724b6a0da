//! Recordings of one load, made by several machines at the same time, as one run: sums on one time axis.
//!
//! The axis starts with the first machine, and the others are placed on it by the time that their own clocks showed when they
//! started. Between two samples of a machine, its counters are taken to have moved evenly; before its start they are 0, and after its
//! end they stay.

use thiserror::Error;

use crate::{Ending, Integrity, Latencies, Machine, PingSummary, Run, Sample, Summary};

/// Why recordings are not those of one load.
#[derive(Debug, Error, PartialEq)]
pub enum MergeError {
    /// This one of them, from 0, is not of a flood or a ping that has ended.
    #[error("it is not the recording of a finished flood or ping")]
    NoLoad(usize),
    /// This one is of another kind than the first.
    #[error("it is of another kind than the first recording")]
    OtherKind(usize),
    /// This one ran at another time than the first, by this number of seconds.
    #[error("it ran at another time than the first recording: by their clocks they started {1:.0} s apart")]
    OtherTime(usize, f64),
}

/// The recordings as one run.
///
/// # Errors
/// If they are not finished runs of one kind, flood or ping, that overlap in time.
pub fn merge(runs: &[Run]) -> Result<Run, MergeError> {
    let starts = starts(runs);
    for (at, run) in runs.iter().enumerate() {
        match (&runs[0].ending, &run.ending) {
            (Some(Ending::Flood { .. }), Some(Ending::Flood { .. }))
            | (Some(Ending::Ping { .. }), Some(Ending::Ping { .. })) => {}
            (_, Some(Ending::Flood { .. } | Ending::Ping { .. })) if at > 0 => {
                return Err(MergeError::OtherKind(at));
            }
            _ => return Err(MergeError::NoLoad(at)),
        }
        let apart = starts[at] - starts[0];
        let (earlier, later) = if apart < 0.0 { (run, apart) } else { (&runs[0], -apart) };
        if duration(earlier) + later < 0.0 {
            return Err(MergeError::OtherTime(at, apart.abs()));
        }
    }
    let mut run = common(&runs.iter().collect::<Vec<_>>());
    run.samples = samples(runs, &starts);
    run.ending = match &runs[0].ending {
        Some(Ending::Ping { .. }) => Some(Ending::Ping { ping: ping(runs, &starts, run.target.clone()) }),
        _ => Some(Ending::Flood { summary: summary(runs, &starts, run.target.clone()) }),
    };
    Ok(run)
}

/// When each run started, in seconds after the first of them, by their own clocks.
pub fn starts(runs: &[Run]) -> Vec<f64> {
    let start = |run: &Run| run.started_at.unwrap_or(run.started as f64);
    // The lines of flood --json do not say when it started.
    if runs.iter().any(|run| run.started == 0) {
        return vec![0.0; runs.len()];
    }
    let first = runs.iter().map(start).fold(f64::INFINITY, f64::min);
    runs.iter().map(|run| start(run) - first).collect()
}

/// What all runs have in common, without samples and totals.
pub(crate) fn common(runs: &[&Run]) -> Run {
    let first = runs[0];
    let machine = if runs.iter().all(|run| run.machine == first.machine) {
        first.machine.clone()
    } else {
        Machine::default()
    };
    let command =
        if runs.iter().all(|run| run.command == first.command) { first.command.clone() } else { Vec::new() };
    let target = match runs.iter().all(|run| run.target == first.target) {
        true => first.target.clone(),
        false => format!("{} and other targets", first.target),
    };
    let mut run = Run::new(&first.version, command, first.started, target, machine);
    run.started = runs.iter().map(|run| run.started).min().unwrap_or(0);
    run.started_at = runs.iter().filter_map(|run| run.started_at).reduce(f64::min);
    run
}

/// The time of the last sample.
fn duration(run: &Run) -> f64 {
    run.samples.last().map_or(0.0, |sample| sample.t)
}

/// The sums of all runs at the times of all samples.
fn samples(runs: &[Run], starts: &[f64]) -> Vec<Sample> {
    let mut times: Vec<f64> = runs
        .iter()
        .zip(starts)
        .flat_map(|(run, start)| run.samples.iter().map(move |sample| sample.t + start))
        .collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let step = times.len().div_ceil(MOST_SAMPLES).max(1);
    let last = times.last().copied();
    let mut cursors: Vec<Cursor<'_>> =
        runs.iter().map(|run| Cursor { samples: &run.samples, next: 0 }).collect();
    let times = times.iter().copied().step_by(step).chain(last.filter(|_| step > 1));
    let at = |t: f64| {
        let parts = cursors.iter_mut().zip(starts).map(|(cursor, start)| cursor.at(t - start));
        Sample { t, ..parts.reduce(sum).unwrap_or_default() }
    };
    times.map(at).collect()
}

/// Moves along the samples of a run.
struct Cursor<'a> {
    samples: &'a [Sample],
    next: usize,
}

impl Cursor<'_> {
    /// The state at `t`, which does not decrease from call to call.
    fn at(&mut self, t: f64) -> Sample {
        while self.samples.get(self.next).is_some_and(|sample| sample.t <= t) {
            self.next += 1;
        }
        let before = self.next.checked_sub(1).and_then(|at| self.samples.get(at));
        match (before, self.samples.get(self.next)) {
            (Some(before), Some(after)) => between(before, after, t),
            (Some(last), None) if last.t < t => Sample { connections: 0, ..*last },
            (Some(last), None) => *last,
            (None, first) => before_start(first.copied().unwrap_or_default()),
        }
    }
}

/// The state before the start: what is visible later is 0.
fn before_start(first: Sample) -> Sample {
    let zero = |counter: Option<u64>| counter.map(|_| 0);
    Sample {
        connections: 0,
        produced: 0,
        server_received: zero(first.server_received),
        server_read: zero(first.server_read),
        server_written: zero(first.server_written),
        client_received: zero(first.client_received),
        consumed: 0,
        ..first
    }
}

/// The state between two samples.
fn between(before: &Sample, after: &Sample, t: f64) -> Sample {
    let share = (t - before.t) / (after.t - before.t).max(f64::MIN_POSITIVE);
    let counter = |one, other| interpolated(one, other, share);
    let visible = |one: Option<u64>, other: Option<u64>| Some(counter(one?, other?));
    Sample {
        t,
        produced: counter(before.produced, after.produced),
        server_received: visible(before.server_received, after.server_received),
        server_read: visible(before.server_read, after.server_read),
        server_written: visible(before.server_written, after.server_written),
        client_received: visible(before.client_received, after.client_received),
        consumed: counter(before.consumed, after.consumed),
        ..*before
    }
}

/// A value between two others, at this share of the way.
pub(crate) fn interpolated(before: u64, after: u64, share: f64) -> u64 {
    let part = (after.abs_diff(before) as f64 * share.clamp(0.0, 1.0)) as u64;
    if after >= before { before.saturating_add(part) } else { before.saturating_sub(part) }
}

/// Two states as one. Several clients see one server, so its memory is not added up.
fn sum(one: Sample, other: Sample) -> Sample {
    let both = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    let any = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).reduce(u64::saturating_add);
    let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
    Sample {
        t: one.t,
        connections: one.connections.saturating_add(other.connections),
        produced: one.produced.saturating_add(other.produced),
        server_received: both(one.server_received, other.server_received),
        server_read: both(one.server_read, other.server_read),
        server_written: both(one.server_written, other.server_written),
        client_received: both(one.client_received, other.client_received),
        consumed: one.consumed.saturating_add(other.consumed),
        server_memory: one.server_memory.max(other.server_memory),
        kernel_memory: any(one.kernel_memory, other.kernel_memory),
        window: least(one.window, other.window),
        client_window: least(one.client_window, other.client_window),
        skew: any(one.skew, other.skew),
        remote_clients: one.remote_clients.or(other.remote_clients),
        is_echo: one.is_echo.or(other.is_echo),
    }
}

fn summary(runs: &[Run], starts: &[f64], target: String) -> Summary {
    let parts = || runs.iter().filter_map(Run::summary);
    let ends = parts().zip(starts).map(|(part, start)| part.seconds + start);
    let integrity = |one: Option<Integrity>, other: Option<Integrity>| {
        let (one, other) = (one?, other?);
        Some(Integrity {
            verified: one.verified.saturating_add(other.verified),
            lost: one.lost.saturating_add(other.lost),
            duplicated: one.duplicated.saturating_add(other.duplicated),
            reordered: one.reordered.saturating_add(other.reordered),
            mismatched: one.mismatched.saturating_add(other.mismatched),
        })
    };
    Summary {
        seconds: ends.fold(0.0, f64::max),
        connections: parts().fold(0, |sum, part| sum.saturating_add(part.connections)),
        produced: parts().fold(0, |sum, part| sum.saturating_add(part.produced)),
        consumed: parts().fold(0, |sum, part| sum.saturating_add(part.consumed)),
        integrity: parts().map(|part| part.integrity).reduce(integrity).flatten(),
        stalled_seconds: parts().map(|part| part.stalled_seconds).fold(0.0, f64::max),
        server_memory_growth: parts().filter_map(|part| part.server_memory_growth).max(),
        ..Summary::new(target)
    }
}

fn ping(runs: &[Run], starts: &[f64], target: String) -> PingSummary {
    let parts = || runs.iter().filter_map(Run::ping);
    let ends = parts().zip(starts).map(|(part, start)| part.seconds + start);
    let mut latencies = Latencies::default();
    parts().for_each(|part| latencies.merge(&part.latencies));
    PingSummary {
        target,
        seconds: ends.fold(0.0, f64::max),
        connections: parts().fold(0, |sum, part| sum.saturating_add(part.connections)),
        size: parts().map(|part| part.size).max().unwrap_or(0),
        rate: parts().map(|part| part.rate).reduce(|one, other| Some(one?.saturating_add(other?))).flatten(),
        unsent: parts().fold(0, |sum, part| sum.saturating_add(part.unsent)),
        faults: parts().flat_map(|part| part.faults.iter().cloned()).collect(),
        latencies,
        ..PingSummary::default()
    }
}

/// Samples of the merged run, as many as one recording has.
const MOST_SAMPLES: usize = 18_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A flood that sends 100 bytes per second for ten seconds and reads nothing.
    fn flood(started_at: f64) -> Run {
        let mut run = Run::new("", vec![], started_at as u64, "x:7".to_owned(), Machine::default());
        run.started_at = Some(started_at);
        let sample = |second: u64| Sample {
            t: second as f64,
            connections: 2,
            produced: 100 * second,
            server_received: Some(90 * second),
            server_memory: Some(5),
            ..Sample::default()
        };
        run.samples = (0..=10).map(sample).collect();
        let summary = Summary {
            seconds: 10.0,
            connections: 2,
            produced: 1000,
            integrity: Some(Integrity { lost: 1, ..Integrity::default() }),
            ..Summary::new("x:7".to_owned())
        };
        run.ending = Some(Ending::Flood { summary });
        run
    }

    fn ping(started_at: f64, times: &[u64]) -> Run {
        let latencies = times.iter().map(|&time| (Duration::from_micros(time), 1)).collect();
        let ping = PingSummary { latencies, rate: Some(10), connections: 1, ..PingSummary::default() };
        let mut run = flood(started_at);
        run.ending = Some(Ending::Ping { ping });
        run
    }

    #[test]
    fn counters_add_up_on_one_axis() {
        let merged = merge(&[flood(1000.5), flood(1000.0), flood(1002.0)]).unwrap();

        let at = |t: f64| *merged.samples.iter().rfind(|sample| sample.t <= t).unwrap();
        assert_eq!((at(0.0).produced, at(0.0).connections), (0, 2));
        assert_eq!((at(5.0).produced, at(5.0).server_received, at(5.0).connections), (1250, Some(1125), 6));
        assert_eq!((at(11.0).produced, at(11.0).connections), (2900, 2));
        assert_eq!((at(12.0).produced, at(12.0).server_memory), (3000, Some(5)), "one server");
        let summary = merged.summary().unwrap();
        assert_eq!((summary.seconds, summary.connections, summary.produced), (12.0, 6, 3000));
        assert_eq!(summary.integrity.map(|integrity| integrity.lost), Some(3));
        assert_eq!((merged.started_at, merged.target.as_str()), (Some(1000.0), "x:7"));
    }

    #[test]
    fn merged_times_are_those_of_the_union() {
        let merged = merge(&[ping(1000.0, &[10, 20, 30]), ping(1000.1, &[1000; 97])]).unwrap();

        let ping = merged.ping().unwrap();
        assert_eq!((ping.latencies.count(), ping.rate, ping.connections), (100, Some(20), 2));
        let p03 = ping.latencies.quantile(0.03).unwrap();
        assert!((p03 / 30e-6 - 1.0).abs() < 0.001, "{p03}");
    }

    #[test]
    fn recordings_of_different_loads_are_refused() {
        let mut unfinished = flood(1000.0);
        unfinished.ending = None;
        let refused = |runs: &[Run]| merge(runs).unwrap_err();

        assert_eq!(refused(&[flood(1000.0), ping(1000.0, &[1])]), MergeError::OtherKind(1));
        assert_eq!(refused(&[unfinished.clone(), flood(1000.0)]), MergeError::NoLoad(0));
        assert_eq!(refused(&[flood(1000.0), unfinished]), MergeError::NoLoad(1));
        assert_eq!(refused(&[flood(1000.0), flood(1100.0)]), MergeError::OtherTime(1, 100.0));
        assert_eq!(refused(&[flood(1100.0), flood(1000.0)]), MergeError::OtherTime(1, 100.0));
    }

    #[test]
    fn many_samples_are_thinned() {
        let mut long = flood(1000.0);
        long.samples = (0..40_000)
            .map(|at| Sample { t: f64::from(at), produced: at as u64, ..Sample::default() })
            .collect();

        let merged = merge(&[long.clone(), long]).unwrap();

        assert!(merged.samples.len() <= MOST_SAMPLES + 1, "{}", merged.samples.len());
        assert_eq!(merged.samples.last().map(|sample| sample.produced), Some(2 * 39_999));
    }
}
