//! Idle connections: memory per connection, and the latency of another connection beside a crowd.

use anyhow::Result;
use echoctl_report::{Chart, Ink, Series, Stroke, Unit};

use super::Measured;
use crate::effort::Effort;
use crate::goal::{Goal, kib};
use crate::load::{Framing, connect, echo_each, frames, ping};
use crate::results::{Column, Results};
use crate::server::{AGAIN, Candidate, Programs, Server};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let peers =
        ["tokio-loop", "tokio-copy", "tokio-lines", "threads", "monoio", "io-uring"].map(Candidate::peer);
    let ours = ["echoctl", AGAIN].map(|name| Candidate::echoctl(name, &[]));
    let modes = Candidate::io_modes("echoctl", &[]);
    let candidates: Vec<_> = ours.into_iter().chain(peers).chain(Candidate::node()).chain(modes).collect();
    let counts = effort.some(&COUNTS, 1);
    let columns = counts.iter().flat_map(|count| {
        [
            Column::compared(format!("{count} open: KiB each"), 2),
            Column::compared("after 64 KiB each", 2),
            Column::plain("all closed: + KiB", 0),
            Column::plain("bystander p99 µs", 0),
        ]
    });
    let mut results = Results::of(&candidates, columns);
    for (index, &count) in counts.iter().enumerate() {
        results.fill(4 * index, 4, effort.steady_rounds, |row| {
            run(candidates[row].start(programs)?, count, effort)
        });
    }

    // The median of a row in a column of the crowd of this size, unless it was not measured.
    let figure_of = |row: usize, size: usize, column: usize| {
        let crowd = counts.iter().position(|count| *count == size)?;
        results.median(row, 4 * crowd + column)
    };
    let figure = |size, column| figure_of(0, size, column);
    let uring = results.row("echoctl, --io uring").and_then(|row| figure_of(row, 5000, 0));
    let bystander = figure(15_000, 3).map(|us| us / 1000.0);
    let goals = [
        Goal::at_most("memory of an idle connection, 5,000 open", figure(5000, 0), 1.0, kib),
        Goal::at_most("the same after each has echoed 64 KiB", figure(5000, 1), 1.05, kib),
        Goal::at_most("memory left after all 5,000 have closed", figure(5000, 2), 768.0, kib),
        Goal::at_most("memory of an idle connection, 5,000 open, --io uring", uring, 0.3, kib),
        Goal::at_most("p99 of a bystander, 15,000 open", bystander, 5.0, |ms| format!("{ms:.2} ms")),
    ];
    let goals = goals.into_iter().flatten().collect();
    Ok(Measured {
        title: "Idle connections",
        text: "Growth of the server's anonymous memory (RssAnon) per open connection, once it no longer changes: before any \
               byte was sent; after each connection has echoed 64 KiB in turn (one line, where the server decodes lines); and what is left \
               after all have closed. Meanwhile a bystander sends 64-byte frames in a closed loop. For threads, the used \
               part of their stacks counts. `io-uring` has a pool of 16 MiB per CPU for all connections, used in turn: what it grows by with the \
               first echoes is that pool, however many connections there are, and the figure per connection does not grow with them."
            .to_owned(),
        chart: Some(("performance-idle", chart(&results, counts))),
        results: Some(results),
        goals,
    })
}

/// KiB per connection, idle and after an echo; KiB left after all have closed; the bystander's p99.
fn run(mut server: Server, count: usize, effort: &Effort) -> Result<Vec<f64>> {
    let before = server.settled_memory()?;
    let streams = connect(server.addr, count)?;
    let idle = server.settled_memory()?;
    let bystander = ping(server.addr, 1, &frames(Framing::Lines, 64, 64), effort.time, None)?.within(0.99);
    echo_each(&streams, &frames(Framing::Lines, 65_536, 65_536))?;
    let used = server.settled_memory()?;
    drop(streams);
    let after = server.memory_returned()?;
    let growth = |memory: u64| (memory as f64 - before as f64) / 1024.0;
    Ok(vec![growth(idle) / count as f64, growth(used) / count as f64, growth(after), bystander])
}

fn chart(results: &Results, counts: &[usize]) -> Chart {
    let line = |name: &str, ink, stroke| {
        let row = results.row(name).expect("it was measured");
        let points = counts.iter().enumerate().filter_map(|(index, count)| {
            Some((index as f64 + 1.0, results.median(row, 4 * index)? * 1024.0 * *count as f64))
        });
        Series::new(name, ink, stroke, [(0.0, 0.0)].into_iter().chain(points).collect())
    };
    Chart::lines("Memory of idle connections", Unit::Bytes)
        .describe("Growth of the server's memory by the number of idle connections.")
        .series(line("echoctl", Ink::Blue, Stroke::Solid))
        .series(line("tokio-copy", Ink::Orange, Stroke::Solid))
        .series(line("tokio-lines", Ink::Grey, Stroke::Dashed))
        .series(line("threads", Ink::Grey, Stroke::Dotted))
        .steps(std::iter::once(0).chain(counts.iter().copied()).map(|count| format!("{count} open")))
}

const COUNTS: [usize; 3] = [1000, 5000, 15_000];
