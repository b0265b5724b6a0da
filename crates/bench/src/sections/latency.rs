//! Latency: how long a 64-byte frame takes there and back.

use std::ops::Range;

use anyhow::{Context, Result};

use super::Measured;
use crate::effort::Effort;
use crate::goal::{Goal, times};
use crate::grid::{Column, Grid};
use crate::load::{Framing, frames, ping};
use crate::server::{Candidate, Programs};

/// The next frame when the last is back.
pub(super) fn closed_loop(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let mut candidates = Candidate::raw(&PEERS);
    let peers = 2..candidates.len();
    candidates.push(Candidate::echoctl("echoctl, --io threads", &["--framing", "raw", "--io", "threads"]));
    let frame = frames(Framing::Raw, 64, 64);
    let columns = CONNECTIONS.iter().flat_map(|connections| {
        [
            Column::compared(format!("{connections} conn., frames/s"), 0),
            Column::compared("p50 µs", 1),
            Column::compared("p99 µs", 1),
            Column::compared("p99.9 µs", 1),
        ]
    });
    let mut grid = Grid::new(candidates.iter().map(|candidate| &candidate.name), columns.collect());
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        grid.fill(4 * index, 4, effort.rounds, |row| {
            let server = candidates[row].start(programs)?;
            let pings = ping(server.addr, connections, &frame, effort.time, None)?;
            Ok(vec![pings.rate, pings.within(0.5), pings.within(0.99), pings.within(0.999)])
        });
    }

    let mut goals = Vec::new();
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        for (offset, name) in [(1, "p50"), (2, "p99"), (3, "p99.9")] {
            let column = 4 * index + offset;
            let best = best_of_peers(&grid, peers.clone(), column);
            let most = 1.0 + grid.noise(column).max(LEAST_NOISE);
            let what = format!(
                "{name} beside the best peer's ({}), {connections} connection{}",
                best.map_or("none", |row| grid.name(row)),
                if connections == 1 { "" } else { "s" }
            );
            goals.extend(Goal::at_most(&what, best.and_then(|row| grid.ratio(0, row, column)), most, times));
        }
    }
    Ok(Measured {
        title: "Latency, closed loop",
        text: "One 64-byte frame on its way on each connection; the next is sent when the last is back. A thread a \
               connection, so 64 connections keep all processors busy, and their times are those of a full machine, which \
               the kernel shares out by threads: `threads` has as many as the load has, and so has our own `--io threads`; the others have two. In brackets \
               the ratio to the first row: above 1 is slower."
            .to_owned(),
        grid: Some(grid),
        goals,
        chart: None,
    })
}

/// Each frame when it is due.
pub(super) fn open_loop(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let candidates: Vec<_> =
        Candidate::raw(&PEERS).into_iter().filter(|candidate| candidate.name != "node").collect();
    let frame = frames(Framing::Raw, 64, 64);

    // The capacity that all of them have, measured anew because the machine of this minute counts.
    let mut capacity =
        Grid::new(candidates.iter().map(|candidate| &candidate.name), vec![Column::plain("frames/s", 0)]);
    capacity.fill(0, 1, effort.rounds.min(3), |row| {
        let server = candidates[row].start(programs)?;
        Ok(vec![ping(server.addr, MANY, &frame, effort.time, None)?.rate])
    });
    let capacities = (0..candidates.len()).filter_map(|row| capacity.median(row, 0));
    let capacity = capacities.min_by(f64::total_cmp).context("no server could be measured")?;

    let columns = LOADS.iter().flat_map(|(_, name)| {
        [
            Column::compared(format!("{name}: p50 µs"), 0),
            Column::compared("p99 µs", 0),
            Column::compared("p99.9 µs", 0),
            Column::plain("kept up, %", 1),
        ]
    });
    let mut grid = Grid::new(candidates.iter().map(|candidate| &candidate.name), columns.collect());
    for (index, (part, _)) in LOADS.into_iter().enumerate() {
        let rate = part * capacity;
        grid.fill(4 * index, 4, effort.rounds, |row| {
            let server = candidates[row].start(programs)?;
            let pings = ping(server.addr, MANY, &frame, effort.time, Some(rate))?;
            let kept_up = 100.0 * pings.rate / rate;
            Ok(vec![pings.within(0.5), pings.within(0.99), pings.within(0.999), kept_up])
        });
    }
    Ok(Measured {
        title: "Latency, open loop",
        text: format!(
            "64 connections, frames due by a plan at 50 % and 90 % of {capacity:.0} frames a second: what the slowest of \
             these servers reached in a closed loop. The time of each frame counts from when it was due, so a stall shows \
             in every frame that it delays, and so does the load's own waking up, alike for all. \"Kept up\" is the part of \
             the planned frames that came back in time."
        ),
        grid: Some(grid),
        goals: Vec::new(),
        chart: None,
    })
}

/// The peer with the least median in a column of times.
fn best_of_peers(grid: &Grid, peers: Range<usize>, column: usize) -> Option<usize> {
    let of = |row: usize| grid.median(row, column);
    peers
        .filter(|row| of(*row).is_some())
        .min_by(|a, b| of(*a).partial_cmp(&of(*b)).expect("both are numbers"))
}

const PEERS: [&str; 4] = ["tokio-loop", "tokio-copy", "threads", "monoio"];

const CONNECTIONS: [usize; 2] = [1, MANY];

/// Far more than processors.
const MANY: usize = 64;

const LOADS: [(f64, &str); 2] = [(0.5, "50 %"), (0.9, "90 %")];

/// What two runs of anything differ by, even when a single pair happens not to.
const LEAST_NOISE: f64 = 0.05;
