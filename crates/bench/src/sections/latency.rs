//! Latency: the round-trip time of a 64-byte frame.

use anyhow::{Context, Result};

use super::Measured;
use crate::effort::Effort;
use crate::goal::{Goal, times};
use crate::load::{Framing, frames, ping};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

/// Sends the next frame once the last one is back, over one connection.
pub(super) fn one(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let mut candidates = Candidate::raw(&PEERS);
    let peers = 2..candidates.len();
    candidates.extend(Candidate::io_modes("echoctl", &["--framing", "raw"]));
    let frame = frames(Framing::Raw, 64, 64);
    let columns = [
        Column::compared("frames/s", 0),
        Column::compared("p50 µs", 1),
        Column::compared("p99 µs", 1),
        Column::compared("p99.9 µs", 1),
    ];
    let mut results = Results::of(&candidates, columns);
    results.fill(0, 4, effort.rounds, |row| {
        let server = candidates[row].start(programs)?;
        let pings = ping(server.addr, 1, &frame, effort.time, None)?;
        Ok([&[pings.rate][..], &pings.percentiles()].concat())
    });

    let mut goals = Vec::new();
    for (column, name) in [(1, "p50"), (2, "p99"), (3, "p99.9")] {
        let best = results.smallest(peers.clone(), column);
        let what = format!(
            "{name} relative to the best peer ({}), 1 connection",
            best.map_or("none", |row| results.name(row)),
        );
        let ratio = best.and_then(|row| results.ratio(0, row, column));
        goals.extend(Goal::at_most(&what, ratio, 1.0 + latency_noise(&results, column), times));
    }
    Ok(Measured {
        title: "Latency, one connection",
        text: "One 64-byte frame at a time; the next is sent once the last is back. Server and load each have a thread that \
               sleeps until the other one's bytes arrive, so most of a round trip is two wake-ups by the kernel, the same for all \
               servers. In brackets the ratio to the first row: for times, above 1 is slower."
            .to_owned(),
        results: Some(results),
        goals,
        chart: None,
    })
}

/// The difference between two runs that counts as noise, as a fraction.
pub(super) fn latency_noise(results: &Results, column: usize) -> f64 {
    results.noise(column).max(LEAST_NOISE)
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
             these servers: all get the same frames, and 90 % of that is far from the limit of the fastest. The latency of a frame counts from its scheduled time, so a stall shows \
             in every frame that it delays. So does the wake-up time of the load itself, equally for all servers. \"Kept up\" is the share of \
             the scheduled frames that came back in time."
        ),
        results: Some(results),
        ..Measured::default()
    })
}

pub(super) const PEERS: [&str; 5] = ["tokio-loop", "tokio-copy", "threads", "monoio", "io-uring"];

/// Far more than CPUs.
pub(super) const MANY: usize = 64;

const LOADS: [(f64, &str); 2] = [(0.5, "50 %"), (0.9, "90 %")];

/// The least difference between any two runs that counts, even if the two rows of echoctl differ less.
const LEAST_NOISE: f64 = 0.05;
