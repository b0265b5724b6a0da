//! Latency at 64 connections. It depends on the load as much as on the server, so there are six loads.

use std::ops::Range;

use anyhow::Result;

use super::Measured;
use super::latency::{MANY, PEERS, latency_noise};
use crate::effort::Effort;
use crate::goal::{Goal, times};
use crate::load::{Framing, Placement, Threads, closed_loop, connect, frames};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

/// One thread per connection.
pub(super) fn threads(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let (results, goals) = compare(Threads::Each, "64 threads", effort, programs)?;
    Ok(Measured {
        title: "Latency at 64 connections: 64 threads",
        text: format!(
            "{HOW} Here each connection of the load has a thread of its own, blocked until its reply is there, as 64 clients on one \
             host would be. Each reply that the server writes wakes one of them. In `threads` and `--io threads`, one thread of the \
             server and one of the load take turns; the scheduler often runs both on one CPU, so that no CPU has to be woken."
        ),
        results: Some(results),
        goals,
        chart: None,
    })
}

/// One thread for all connections.
pub(super) fn one_thread(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let (results, goals) = compare(Threads::Few(1), "one epoll thread", effort, programs)?;
    Ok(Measured {
        title: "Latency at 64 connections: one epoll thread",
        text: "As above, and one thread of the load serves all 64 connections, as a proxy would. It uses one CPU at most, so it limits \
               the frames per second of a server that could use all of them: the difference between two fast servers shows as idle \
               time of the server, not here. A time includes the replies that the load handles before its own, up to 63 of them. \
               Pinned: the load stays on the first CPU; the server may run on all, that one included."
            .to_owned(),
        results: Some(results),
        goals,
        chart: None,
    })
}

/// Two threads, half of the connections each.
pub(super) fn two_threads(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let (results, goals) = compare(Threads::Few(2), "two epoll threads", effort, programs)?;
    Ok(Measured {
        title: "Latency at 64 connections: two epoll threads",
        text: "As above, with two threads that serve 32 connections each. Pinned: one on the first CPU, one on the second. Only then can \
               a server serve each connection on the CPU of its client, if it finds out which one that is."
            .to_owned(),
        results: Some(results),
        goals,
        chart: None,
    })
}

/// Echoctl twice, the peers (without Node, which is never the best), and the I/O modes.
pub(super) fn candidates() -> Vec<Candidate> {
    let raw = Candidate::raw(&PEERS).into_iter().filter(|candidate| candidate.name != "node");
    raw.chain(Candidate::io_modes("echoctl", &["--framing", "raw"])).collect()
}

/// Measures all servers under this load, free and pinned.
fn compare(
    threads: Threads,
    load: &str,
    effort: &Effort,
    programs: &Programs,
) -> Result<(Results, Vec<Goal>)> {
    let candidates = candidates();
    let columns = PLACEMENTS.iter().flat_map(|(_, name)| {
        [
            Column::compared(format!("{name}: frames/s"), 0),
            Column::compared("p50 µs", 0),
            Column::compared("p99 µs", 0),
            Column::compared("p99.9 µs", 0),
        ]
    });
    let mut results = Results::of(&candidates, columns);
    let frame = frames(Framing::Raw, 64, 64);
    for (index, (placement, _)) in PLACEMENTS.into_iter().enumerate() {
        results.fill(WIDTH * index, WIDTH, effort.rounds, |row| {
            let server = candidates[row].start(programs)?;
            let streams = connect(server.addr, MANY)?;
            let pings = closed_loop(&streams, threads, placement, &frame, effort.time)?;
            Ok([&[pings.rate][..], &pings.percentiles()].concat())
        });
    }
    let goals = goals(&results, 2..2 + PEERS.len(), load);
    Ok((results, goals))
}

/// The goals, each at the placement of the load at which it is further from being met.
fn goals(results: &Results, peers: Range<usize>, load: &str) -> Vec<Goal> {
    let against = |name: &str, offset: usize, base: &dyn Fn(usize) -> Option<usize>| {
        let at = |(index, (_, place)): (usize, &(Placement, &str))| {
            let column = WIDTH * index + offset;
            let base = base(column)?;
            Some(Comparison {
                what: format!(
                    "{name} relative to {}, {MANY} connections, {load}, {place}",
                    results.name(base)
                ),
                ratio: results.ratio(0, base, column)?,
                noise: latency_noise(results, column),
            })
        };
        PLACEMENTS.iter().enumerate().filter_map(at).collect::<Vec<_>>()
    };
    let most_frames = |column| results.largest(peers.clone(), column);
    let quickest = |column| results.smallest(peers.clone(), column);
    let only = |name: &str| {
        let row = results.row(name);
        move |_| row
    };
    let goals = [
        lowest(against("frames/s", 0, &most_frames)).and_then(|frames| frames.at_least(1.2)),
        // A server that spreads its connections must not lose to one that does not.
        lowest(against("frames/s", 0, &only("tokio-loop")))
            .and_then(|frames| frames.at_least(1.0 - frames.noise)),
        highest(against("p50", 1, &only("threads"))).and_then(|p50| p50.at_most(0.75)),
        highest(against("p99", 2, &quickest)).and_then(|p99| p99.at_most(1.0 + p99.noise)),
        highest(against("p99.9", 3, &quickest)).and_then(|p999| p999.at_most(1.0 + p999.noise)),
    ];
    goals.into_iter().flatten().collect()
}

/// A figure of echoctl relative to a peer's.
struct Comparison {
    what: String,
    ratio: f64,
    /// The difference that counts as none, as a fraction.
    noise: f64,
}

impl Comparison {
    fn at_least(&self, least: f64) -> Option<Goal> {
        Goal::at_least(&self.what, Some(self.ratio), least, times)
    }

    fn at_most(&self, most: f64) -> Option<Goal> {
        Goal::at_most(&self.what, Some(self.ratio), most, times)
    }
}

fn lowest(all: Vec<Comparison>) -> Option<Comparison> {
    all.into_iter().min_by(|a, b| a.ratio.total_cmp(&b.ratio))
}

fn highest(all: Vec<Comparison>) -> Option<Comparison> {
    all.into_iter().max_by(|a, b| a.ratio.total_cmp(&b.ratio))
}

/// Where the load runs, and its name in the table.
const PLACEMENTS: [(Placement, &str); 2] = [(Placement::Free, "free"), (Placement::Pinned, "pinned")];

/// Columns per placement.
const WIDTH: usize = 4;

const HOW: &str = "64 connections, one 64-byte frame at a time on each; the next is sent once the last is back. So frames per second \
                   times the mean time is 64: a slower server is offered less work, and the two columns are one result. The load runs \
                   on the CPUs of the servers, once free (the scheduler moves its threads) and once pinned (each of its threads stays \
                   on one CPU, in turn). Servers are never pinned by the benchmark. In brackets the ratio to the first row: for times, \
                   above 1 is slower.";

#[cfg(test)]
mod tests {
    use super::*;

    /// Results with these frames per second and times (all three percentiles), free and pinned, by row.
    fn results(rows: &[(&str, [f64; 2], [f64; 2])]) -> Results {
        let columns = (0..2 * WIDTH).map(|_| Column::plain("", 0)).collect();
        let mut results = Results::new(rows.iter().map(|(name, ..)| *name), columns);
        for place in 0..2 {
            results.fill(WIDTH * place, WIDTH, 1, |row| {
                let (_, rates, times) = rows[row];
                Ok(vec![rates[place], times[place], times[place], times[place]])
            });
        }
        results
    }

    #[test]
    fn a_goal_is_judged_where_it_is_further_from_being_met() {
        let results = results(&[
            ("echoctl", [300.0, 250.0], [60.0, 80.0]),
            ("again", [300.0, 250.0], [60.0, 80.0]),
            ("tokio-loop", [150.0, 200.0], [100.0, 100.0]),
            ("threads", [200.0, 100.0], [90.0, 200.0]),
        ]);

        let goals = goals(&results, 2..4, "64 threads");

        let found: Vec<_> =
            goals.iter().map(|goal| (goal.what.as_str(), goal.measured.as_str(), goal.is_met)).collect();
        assert_eq!(
            found,
            [
                ("frames/s relative to tokio-loop, 64 connections, 64 threads, pinned", "1.25 ×", true),
                ("frames/s relative to tokio-loop, 64 connections, 64 threads, pinned", "1.25 ×", true),
                ("p50 relative to threads, 64 connections, 64 threads, free", "0.67 ×", true),
                ("p99 relative to tokio-loop, 64 connections, 64 threads, pinned", "0.80 ×", true),
                ("p99.9 relative to tokio-loop, 64 connections, 64 threads, pinned", "0.80 ×", true),
            ]
        );
    }

    #[test]
    fn less_than_noise_is_no_miss_and_more_is_one() {
        let with_peer = |time| {
            let results = results(&[
                ("echoctl", [100.0; 2], [100.0; 2]),
                ("again", [100.0; 2], [100.0; 2]),
                ("tokio-loop", [100.0; 2], [time; 2]),
                ("threads", [100.0; 2], [200.0; 2]),
            ]);
            let met = |goal: &Goal| goal.is_met;
            goals(&results, 2..4, "64 threads").iter().map(met).collect::<Vec<_>>()
        };

        assert_eq!(with_peer(96.0), [false, true, true, true, true]);
        assert_eq!(with_peer(90.0), [false, true, true, false, false]);
    }
}
