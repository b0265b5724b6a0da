//! What `echoctl watch` itself takes beside a server with many connections.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use echoctl_observe::Process;

use super::Measured;
use crate::effort::Effort;
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
               clients are on the same host: after its first sample, with all of its threads."
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
    let mut watch = Watch::start(server.addr.port(), programs)?;
    watch.next_sample()?;
    let (start, before) = (Instant::now(), watch.processor_time()?);
    (0..samples).try_for_each(|_| watch.next_sample())?;
    let (time, used) = (start.elapsed(), watch.processor_time()?.saturating_sub(before));
    Ok(vec![used.as_secs_f64() * 1e3 / f64::from(samples), 100.0 * used.as_secs_f64() / time.as_secs_f64()])
}

/// A running `echoctl watch`. It is killed on drop.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(port: u16, programs: &Programs) -> Result<Watch> {
        let mut command = Command::new(programs.path("echoctl"));
        command.args(["watch", &port.to_string(), "--json", "--top", "10"]);
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start echoctl watch")?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Watch { child, lines })
    }

    /// Waits for the next sample.
    fn next_sample(&mut self) -> Result<()> {
        loop {
            let line = self.lines.next().context("echoctl watch has ended")??;
            if line.starts_with(r#"{"event":"sample""#) {
                return Ok(());
            }
        }
    }

    fn processor_time(&self) -> Result<Duration> {
        Ok(Process::open(self.child.id())?.processor_time()?.total())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONNECTIONS: usize = 10_000;

const SAMPLES: u32 = 20;
const QUICK_SAMPLES: u32 = 5;
