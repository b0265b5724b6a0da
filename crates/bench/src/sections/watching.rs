//! What `echoctl watch` itself takes beside a server with many connections.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::Measured;
use crate::effort::Effort;
use crate::events::EventStream;
use crate::goal::{Goal, percent};
use crate::load::connect;
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let columns = vec![Column::plain("ms of processor time per sample", 1), Column::plain("% of a core", 1)];
    let mut results = Results::new([format!("watch of {CONNECTIONS} connections")], columns);
    let samples = if effort.is_quick { QUICK_SAMPLES } else { SAMPLES };
    results.fill(0, 2, effort.steady_rounds, |_| run(samples, programs));
    let (time, share) = (results.median(0, 0), results.median(0, 1).map(|share| share / 100.0));
    let goals = [
        Goal::at_most("processor time of a sample of 10,000 connections", time, 30.0, |ms| {
            format!("{ms:.1} ms")
        }),
        Goal::at_most("processor time of watching them", share, 0.05, percent),
    ];
    Ok(Measured {
        title: "Watching",
        text: "The processor time of `echoctl watch --json --top 10`, one sample per second, beside a server with idle connections whose \
               clients are on the same host: after its first sample, with all of its threads. Every sample has a cause for each connection, or \
               the row stays empty."
            .to_owned(),
        results: Some(results),
        goals: goals.into_iter().flatten().collect(),
        ..Measured::default()
    })
}

/// Milliseconds per sample, and the share of a core in percent.
fn run(samples: u32, programs: &Programs) -> Result<Vec<f64>> {
    let server = Candidate::echoctl("echoctl", &[]).start(programs)?;
    let _connections = connect(server.addr, CONNECTIONS)?;
    let port = server.addr.port().to_string();
    let mut watch = EventStream::start(programs, &["watch", &port, "--json", "--top", "10"])?;
    watch.next("sample")?;
    let process = watch.process()?;
    let (start, before) = (Instant::now(), process.processor_time()?.total());
    for _ in 0..samples {
        let sample = watch.next("sample")?;
        let judged =
            sample["causes"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64());
        let (judged, all) = (judged.sum::<u64>(), CONNECTIONS as u64);
        ensure!(judged == all, "a sample has the causes of {judged} connections, not of all {all}");
    }
    let (time, used) = (start.elapsed(), process.processor_time()?.total().saturating_sub(before));
    Ok(vec![used.as_secs_f64() * 1e3 / f64::from(samples), 100.0 * used.as_secs_f64() / time.as_secs_f64()])
}

const CONNECTIONS: usize = 10_000;

const SAMPLES: u32 = 20;
const QUICK_SAMPLES: u32 = 5;
