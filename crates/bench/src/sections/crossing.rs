//! Where the latency at 64 connections goes: into wake-ups between CPUs. The same echoes, with server and load placed on purpose.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::Measured;
use super::latency::MANY;
use crate::effort::Effort;
use crate::load::{Framing, Pings, Placement, Threads, closed_loop, connect, frames};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let servers = [
        Candidate::echoctl("echoctl", &["--framing", "raw"]),
        Candidate::peer("tokio-loop"),
        Candidate::peer("threads"),
    ];
    let columns = servers.iter().flat_map(|server| {
        [Column::compared(format!("{}: frames/s", server.name), 0), Column::compared("p50 µs", 0)]
    });
    let mut results = Results::new(PLACES.map(|(name, _)| name), columns.collect());
    for (index, server) in servers.iter().enumerate() {
        results.fill(WIDTH * index, WIDTH, effort.rounds, |row| {
            let pings = run(server, PLACES[row].1, effort.time, programs)?;
            Ok(vec![pings.rate, pings.percentiles()[0]])
        });
    }
    Ok(Measured {
        title: "Where the latency at 64 connections goes",
        text: "64 connections in all, one 64-byte frame at a time on each, from one epoll thread per server; here server and load \
               are placed on purpose. An echo whose client runs on another CPU wakes that CPU, and its client's next frame wakes the \
               server's. If both share one CPU, no CPU has to be woken, and one wake-up serves all frames that have arrived by then: compare the \
               first row, which has half of the CPUs, with the second and the third. In the last row, each of two CPUs has a server \
               and a load of its own, with 32 connections each: what a server can reach that answers each connection on the CPU of \
               its client. CPU shares, nice, autogroups and the number of workers were tried as well, and made no difference. In \
               brackets the ratio to the first row: for times, above 1 is slower."
            .to_owned(),
        results: Some(results),
        ..Measured::default()
    })
}

/// All pairs of a server and its load at once, with an equal share of the connections.
fn run(
    candidate: &Candidate,
    pairs: &[(Placement, Placement)],
    time: Duration,
    programs: &Programs,
) -> Result<Pings> {
    let frame = frames(Framing::Raw, 64, 64);
    let mut servers = Vec::new();
    for (server, load) in pairs {
        let server = server.run(|| candidate.start(programs))?;
        let streams = connect(server.addr, MANY / pairs.len())?;
        servers.push((server, streams, *load));
    }
    thread::scope(|scope| {
        let frame = &frame;
        let loads: Vec<_> = (servers.iter())
            .map(|(_, streams, place)| {
                scope.spawn(|| closed_loop(streams, Threads::Few(1), *place, frame, time))
            })
            .collect();
        let pings = loads.into_iter().map(|load| load.join().map_err(|_| anyhow!("a load panicked"))?);
        Pings::sum(pings.collect::<Result<Vec<_>>>()?)
    })
}

/// Where each server runs, and where its load does.
const PLACES: [(&str, &[(Placement, Placement)]); 4] = [
    ("server and load on one CPU", &[(Placement::On(0), Placement::On(0))]),
    ("both on all CPUs", &[(Placement::Free, Placement::Free)]),
    ("server on one CPU, load on another", &[(Placement::On(0), Placement::On(1))]),
    (
        "two pairs, each on one CPU",
        &[(Placement::On(0), Placement::On(0)), (Placement::On(1), Placement::On(1))],
    ),
];

/// Columns per server.
const WIDTH: usize = 2;
