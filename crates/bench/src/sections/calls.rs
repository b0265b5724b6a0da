//! System calls of the server per echo.

use anyhow::Result;

use super::Measured;
use super::latency::MANY;
use super::many;
use crate::calls::Counter;
use crate::effort::Effort;
use crate::goal::Goal;
use crate::load::{Framing, Placement, Threads, closed_loop, frames};
use crate::results::{Column, Results};
use crate::server::Programs;

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let counter = Counter::find()?;
    let candidates = many::candidates();
    let columns = LOADS.map(|(_, name)| Column::plain(name, 2));
    let mut results = Results::of(&candidates, columns);
    let frame = frames(Framing::Raw, 64, 64);
    for (column, (threads, _)) in LOADS.into_iter().enumerate() {
        results.fill(column, 1, effort.rounds.min(ROUNDS), |row| {
            let per_echo = counter.per_echo(&candidates[row], programs, MANY, |streams| {
                Ok(closed_loop(streams, threads, Placement::Free, &frame, effort.time)?.count)
            })?;
            Ok(vec![per_echo])
        });
    }

    let goals = GOALS.iter().filter_map(|(name, most)| {
        let row = results.row(name)?;
        let worst = (0..LOADS.len()).filter_map(|column| results.median(row, column)).max_by(f64::total_cmp);
        let what = format!("system calls per echo, {MANY} connections, the highest of three loads: {name}");
        Goal::at_most(&what, worst, *most, |calls| format!("{calls:.2}"))
    });
    let goals = goals.collect();
    Ok(Measured {
        title: "System calls per echo",
        text: format!(
            "64 connections, one 64-byte frame at a time on each, counted by `{}` over all threads of the server while the frames are exchanged. \
             A server that reads and writes each frame by itself needs two calls, and a part of one that waits. Fewer mean that one \
             call handles several connections, as with io_uring: so the count depends on how many frames arrive together, which the load \
             and the speed of the machine decide. Calls differ in cost: one `io_uring_enter` can do the work of a hundred others. {}",
            counter.name(),
            match counter {
                Counter::Perf => "Counting slows all servers a little.",
                Counter::Strace =>
                    "Counting stops the server at each call, which makes it many times slower: more frames wait each time than \
                     in a server that is not watched, so that batches are larger and these counts too low.",
            }
        ),
        results: Some(results),
        goals,
        chart: None,
    })
}

const LOADS: [(Threads, &str); 3] = [
    (Threads::Each, "64 threads"),
    (Threads::Few(1), "one epoll thread"),
    (Threads::Few(2), "two epoll threads"),
];

/// The most calls per echo, by row.
const GOALS: [(&str, f64); 2] = [("echoctl", 0.5), ("echoctl, --io uring", 0.2)];

/// Counts vary less than times.
const ROUNDS: usize = 3;
