//! Throughput: bytes echoed per second, and the server's processor time for it.

use std::time::Duration;

use anyhow::Result;
use echoctl_report::{Chart, Ink, Series, Stroke, Unit};

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::goal::{Goal, percent, times};
use crate::load::{Framing, frames, stream};
use crate::results::{Column, Results};
use crate::server::{AGAIN, Candidate, Programs};

/// Without framing, compared with all peers.
pub(super) fn raw(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let mut candidates =
        Candidate::raw(&["tokio-loop", "tokio-copy", "threads", "monoio", "io-uring", "splice"]);
    let peers = 2..candidates.len();
    candidates.extend(Candidate::io_modes("echoctl", &["--framing", "raw"]));
    let connections = effort.some(&CONNECTIONS, 2);
    let mut results = results(&candidates, connections);
    for (index, &connections) in connections.iter().enumerate() {
        let block = frames(Framing::Raw, WRITE, WRITE);
        results.fill(COLUMNS * index, COLUMNS, effort.rounds, |row| {
            run(&candidates[row], programs, connections, &block, effort.time)
        });
    }

    let mut goals = Vec::new();
    for (index, n) in connections.iter().enumerate() {
        let column = COLUMNS * index;
        let best = results.largest(peers.clone(), column);
        let what = format!(
            "raw echo, relative to the best peer ({}), {n} connection{}",
            best.map_or("none", |row| results.name(row)),
            if *n == 1 { "" } else { "s" }
        );
        let least = if *n == 1 { 1.2 } else { 1.0 - results.noise(column) };
        goals.extend(Goal::at_least(&what, best.and_then(|row| results.ratio(0, row, column)), least, times));
    }
    goals.extend(user_time(&results, 0, "raw", 0.02));
    Ok(Measured {
        title: "Throughput, raw",
        text: format!("Bytes without framing, written 64 KiB at a time. {HOW}"),
        chart: Some(("performance-connections", chart(&results, connections))),
        results: Some(results),
        goals,
    })
}

/// 64-byte frames, compared with tokio-util's codecs and our own raw echo.
pub(super) fn framed(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let kinds = [
        (Candidate::echoctl("echoctl, lines", &["--framing", "lines"]), Framing::Lines),
        (Candidate::echoctl(AGAIN, &["--framing", "lines"]), Framing::Lines),
        (Candidate::echoctl("echoctl, u16", &["--framing", "u16"]), Framing::U16),
        (Candidate::echoctl("echoctl, raw", &["--framing", "raw"]), Framing::Raw),
        (Candidate::peer("tokio-lines"), Framing::Lines),
        (Candidate::peer("tokio-u16"), Framing::U16),
    ];
    let candidates = kinds.each_ref().map(|(candidate, _)| candidate.clone());
    let connections = effort.some(&CONNECTIONS, 2);
    let mut results = results(&candidates, connections);
    for (index, &connections) in connections.iter().enumerate() {
        results.fill(COLUMNS * index, COLUMNS, effort.rounds, |row| {
            let block = frames(kinds[row].1, 64, WRITE);
            run(&candidates[row], programs, connections, &block, effort.time)
        });
    }

    let mut goals = Vec::new();
    for (row, name, codec) in [(0, "lines", 4), (2, "u16", 5)] {
        let what = format!("64-byte {name}, relative to our own raw echo");
        goals.extend(Goal::at_least(&what, results.ratio(row, 3, 0), 0.95, times));
        let what = format!("64-byte {name}, relative to tokio-util's codec");
        goals.extend(Goal::at_least(&what, results.ratio(row, codec, 0), 3.0, times));
    }
    goals.extend(user_time(&results, 0, "64-byte lines", 0.05));
    goals.extend(user_time(&results, 2, "64-byte u16", 0.1));
    Ok(Measured {
        title: "Throughput, 64-byte frames",
        text: format!(
            "`tokio-lines` and `tokio-u16` are tokio-util's LinesCodec and LengthDelimitedCodec. {HOW}"
        ),
        results: Some(results),
        chart: None,
        goals,
    })
}

/// Lines and u16 frames of all sizes, over one connection.
pub(super) fn sizes(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let kinds = [
        (Candidate::echoctl("echoctl, lines", &["--framing", "lines"]), Framing::Lines),
        (Candidate::echoctl("echoctl, u16", &["--framing", "u16"]), Framing::U16),
        (Candidate::peer("tokio-lines"), Framing::Lines),
        (Candidate::peer("tokio-u16"), Framing::U16),
    ];
    let sizes: Vec<(usize, &str)> = effort.some(&SIZES, 3).to_vec();
    let columns = sizes.iter().map(|(_, name)| Column::plain(*name, 0)).collect();
    let mut results = Results::new(kinds.iter().map(|(candidate, _)| &candidate.name), columns);
    for (column, &(size, _)) in sizes.iter().enumerate() {
        results.fill(column, 1, effort.rounds, |row| {
            let (candidate, framing) = &kinds[row];
            let block = frames(*framing, size, WRITE);
            run(candidate, programs, 1, &block, effort.time.mul_f64(0.6)).map(|values| vec![values[0]])
        });
    }

    let line = |row: usize, ink, stroke| {
        let points =
            (0..sizes.len()).filter_map(|column| Some((column as f64, results.median(row, column)? * MIB)));
        Series::new(results.name(row), ink, stroke, points.collect())
    };
    let chart = Chart::lines("Echo by frame size, 1 connection", Unit::Rate)
        .describe("The server replies to all complete frames of a read in one write, so small frames are as fast as large ones; the codecs handle each frame separately.")
        .series(line(0, Ink::Blue, Stroke::Solid))
        .series(line(1, Ink::Blue, Stroke::Dashed))
        .series(line(2, Ink::Orange, Stroke::Solid))
        .series(line(3, Ink::Orange, Stroke::Dashed))
        .steps(sizes.iter().map(|(_, name)| *name));
    Ok(Measured {
        title: "Throughput by frame size",
        text:
            "MiB/s over one connection, 64 KiB written at a time, by frame size, framing overhead included."
                .to_owned(),
        results: Some(results),
        chart: Some(("performance-sizes", chart)),
        goals: Vec::new(),
    })
}

/// MiB/s, processor seconds per GiB in user mode and in the kernel.
fn run(
    candidate: &Candidate,
    programs: &Programs,
    connections: usize,
    block: &[u8],
    time: Duration,
) -> Result<Vec<f64>> {
    let server = candidate.start(programs)?;
    let before = server.process.processor_time()?;
    let (bytes, seconds) = stream(server.addr, connections, block, time)?;
    let after = server.process.processor_time()?;
    let per_gib = |before: Duration, after: Duration| (after - before).as_secs_f64() * GIB / bytes as f64;
    Ok(vec![
        bytes as f64 / MIB / seconds,
        per_gib(before.user, after.user),
        per_gib(before.system, after.system),
    ])
}

fn results(candidates: &[Candidate], connections: &[usize]) -> Results {
    let columns = connections.iter().flat_map(|connections| {
        [
            Column::compared(format!("{connections} conn., MiB/s"), 0),
            Column::plain("user s/GiB", 3),
            Column::plain("system s/GiB", 3),
        ]
    });
    Results::of(candidates, columns)
}

/// The goal for the share of user time in the processor time of a row over one connection. Over all rounds: the kernel
/// counts in steps of 10 ms.
fn user_time(results: &Results, row: usize, what: &str, most: f64) -> Option<Goal> {
    let (user, system) = (results.sum(row, 1), results.sum(row, 2));
    let part = (user + system > 0.0).then(|| user / (user + system));
    let what = format!("user time as a share of the server's processor time, {what}, 1 connection");
    Goal::at_most(&what, part, most, percent)
}

fn chart(results: &Results, connections: &[usize]) -> Chart {
    let line = |name: &str, ink, stroke| {
        let row = results.row(name).expect("it was measured");
        let points = (0..connections.len())
            .filter_map(|index| Some((index as f64, results.median(row, COLUMNS * index)? * MIB)));
        Series::new(name, ink, stroke, points.collect())
    };
    Chart::lines("Raw echo, by the number of connections", Unit::Rate)
        .describe("Bytes per second that come back, over all connections together.")
        .series(line("echoctl", Ink::Blue, Stroke::Solid))
        .series(line("tokio-loop", Ink::Orange, Stroke::Solid))
        .series(line("threads", Ink::Grey, Stroke::Dashed))
        .series(line("monoio", Ink::Grey, Stroke::Dotted))
        .steps(connections.iter().map(|count| format!("{count} conn.")))
}

const CONNECTIONS: [usize; 3] = [1, 32, 256];

const SIZES: [(usize, &str); 7] = [
    (16, "16 B"),
    (64, "64 B"),
    (256, "256 B"),
    (1024, "1 KiB"),
    (4096, "4 KiB"),
    (16384, "16 KiB"),
    (65536, "64 KiB"),
];

/// Bytes per write.
const WRITE: usize = 64 * 1024;

/// Columns per number of connections.
const COLUMNS: usize = 3;

const HOW: &str = "Everything is read back at the same time and checked; the clock runs until the last byte is back. \
                   The load's own threads run on the same processors. In brackets the ratio to the first row. Processor \
                   time is the server's, per GiB echoed one way; the kernel counts it in steps of 10 ms, so the last digits are coarse, and \
                   the goals sum it over all rounds.";

const GIB: f64 = 1024.0 * MIB;
