//! Latency: the round-trip time of a 64-byte frame.

use anyhow::{Context, Result};

use super::Measured;
use crate::effort::Effort;
use crate::goal::{Goal, times};
use crate::load::{Framing, frames, ping};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

/// Sends the next frame once the last one is back.
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
    let mut results = Results::of(&candidates, columns);
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        results.fill(4 * index, 4, effort.rounds, |row| {
            let server = candidates[row].start(programs)?;
            let pings = ping(server.addr, connections, &frame, effort.time, None)?;
            Ok([&[pings.rate][..], &pings.percentiles()].concat())
        });
    }

    let mut goals = Vec::new();
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        for (offset, name) in [(1, "p50"), (2, "p99"), (3, "p99.9")] {
            let column = 4 * index + offset;
            let best = results.smallest(peers.clone(), column);
            let most = 1.0 + results.noise(column).max(LEAST_NOISE);
            let what = format!(
                "{name} relative to the best peer ({}), {connections} connection{}",
                best.map_or("none", |row| results.name(row)),
                if connections == 1 { "" } else { "s" }
            );
            let ratio = best.and_then(|row| results.ratio(0, row, column));
            goals.extend(Goal::at_most(&what, ratio, most, times));
        }
    }
    Ok(Measured {
        title: "Latency, closed loop",
        text: "One 64-byte frame at a time per connection; the next is sent once the last is back. In brackets the ratio to the first \
        row: for times, above 1 is slower.\n\n\
        Where the latency at 64 connections comes from was measured separately, on two CPUs, with 64 connections in all: 143,000 \
        to 150,000 frames/s with the server and the load pinned to one CPU, 87,000 with both on two CPUs, 68,000 with the server \
        on one CPU and the load on the other. An echo whose client runs on the other CPU has to wake that CPU. Two pairs of a \
        server and its load, each pair pinned to its own CPU, reached 268,000 frames/s with a p50 of 0.22 ms, against 104,000 to \
        133,000 for `--io tasks` and 165,000 to 213,000 for threads. CPU shares, nice, autogroup and the number of workers made no \
        difference."
            .to_owned(),
        results: Some(results),
        goals,
        chart: None,
    })
}

/// Sends each frame at its scheduled time.
pub(super) fn open_loop(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let candidates: Vec<_> =
        Candidate::raw(&PEERS).into_iter().filter(|candidate| candidate.name != "node").collect();
    let frame = frames(Framing::Raw, 64, 64);

    // The capacity that all of them reach, measured again because it depends on the current load of the machine.
    let mut capacity = Results::of(&candidates, [Column::plain("frames/s", 0)]);
    capacity.fill(0, 1, effort.rounds.min(3), |row| {
        let server = candidates[row].start(programs)?;
        Ok(vec![ping(server.addr, MANY, &frame, effort.time, None)?.rate])
    });
    let slowest = capacity.smallest(0..candidates.len(), 0);
    let capacity = slowest.and_then(|row| capacity.median(row, 0)).context("no server could be measured")?;

    let columns = LOADS.iter().flat_map(|(_, name)| {
        [
            Column::compared(format!("{name}: p50 µs"), 0),
            Column::compared("p99 µs", 0),
            Column::compared("p99.9 µs", 0),
            Column::plain("kept up, %", 1),
        ]
    });
    let mut results = Results::of(&candidates, columns);
    for (index, (part, _)) in LOADS.into_iter().enumerate() {
        let rate = part * capacity;
        results.fill(4 * index, 4, effort.rounds, |row| {
            let server = candidates[row].start(programs)?;
            let pings = ping(server.addr, MANY, &frame, effort.time, Some(rate))?;
            Ok([&pings.percentiles()[..], &[100.0 * pings.rate / rate]].concat())
        });
    }
    Ok(Measured {
        title: "Latency, open loop",
        text: format!(
            "64 connections, frames scheduled at 50 % and 90 % of {capacity:.0} frames per second, the closed-loop rate of the slowest of \
             these servers. The latency of a frame counts from its scheduled time, so a stall shows \
             in every frame that it delays. So does the wake-up time of the load itself, equally for all servers. \"Kept up\" is the share of \
             the scheduled frames that came back in time."
        ),
        results: Some(results),
        ..Measured::default()
    })
}

const PEERS: [&str; 4] = ["tokio-loop", "tokio-copy", "threads", "monoio"];

const CONNECTIONS: [usize; 2] = [1, MANY];

/// Far more than CPUs.
const MANY: usize = 64;

const LOADS: [(f64, &str); 2] = [(0.5, "50 %"), (0.9, "90 %")];

/// The least difference between any two runs that counts, even if the two rows of echoctl differ less.
const LEAST_NOISE: f64 = 0.05;
