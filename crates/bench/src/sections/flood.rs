//! The client at full speed: `echoctl flood` into a sink, beside iperf3.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use echoctl_observe::Process;
use serde_json::Value;

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::goal::{Goal, times};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs, is_installed};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let rows = ["flood, raw", "flood, raw (again)", "flood, 64-byte lines", "flood, 1 KiB u16", "iperf3"];
    let floods: [&[&str]; 4] = [
        &["--framing", "raw"],
        &["--framing", "raw"],
        &["--framing", "lines", "--size", "64"],
        &["--framing", "u16", "--size", "1KiB"],
    ];
    let mut results =
        Results::new(rows, vec![Column::compared("MiB/s", 0), Column::plain("own memory, MiB", 1)]);
    results.fill(0, 2, effort.rounds, |row| match floods.get(row) {
        Some(options) => flood(programs, options),
        None => iperf(),
    });

    let memory = (0..floods.len()).filter_map(|row| results.median(row, 1)).max_by(f64::total_cmp);
    let ratio = results.ratio(0, 4, 0);
    let goals = [
        Goal::at_least("flood into a sink, relative to iperf3, one stream", ratio, 1.5, times),
        Goal::at_most("flood's own memory, whatever it sends", memory, 4.0, |mib| format!("{mib:.1} MiB")),
    ];
    Ok(Measured {
        title: "Flood into a sink",
        text: "One connection, at full speed, into a server that reads and discards 128 KiB at a time, as iperf3's does. \
               `flood` computes every byte from the frame's number, so that it could be checked; iperf3 sends the same \
               block repeatedly. Own memory: the maximum of RssAnon. Both share the CPUs with their sink, \
               so a client that costs less leaves more for it: the rate is that of the pair."
            .to_owned(),
        results: Some(results),
        goals: goals.into_iter().flatten().collect(),
        chart: None,
    })
}

fn flood(programs: &Programs, options: &[&str]) -> Result<Vec<f64>> {
    let sink = Candidate::peer("sink").start(programs)?;
    let mut command = Command::new(programs.path("echoctl"));
    command.args(["flood", &sink.addr.to_string(), "--no-read", "--rate", "max", "--json", "--plain"]);
    let (memory, summary) = watch(command.args(["--for", &format!("{SECONDS}s")]).args(options))?;
    let summary: Value = serde_json::from_str(summary.lines().last().context("it printed nothing")?)?;
    let number = |name: &str| summary[name].as_f64().with_context(|| format!("no `{name}` in the summary"));
    Ok(vec![number("produced")? / number("seconds")? / MIB, memory])
}

fn iperf() -> Result<Vec<f64>> {
    if !is_installed("iperf3") {
        bail!("iperf3 is not installed");
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port().to_string();
    let mut server = Command::new("iperf3");
    server.args(["--server", "--one-off", "--bind", "127.0.0.1", "--port", &port]).stdout(Stdio::null());
    let _server = KillOnDrop(server.spawn()?);
    // It does not report when it listens.
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut client = Command::new("iperf3");
        client.args(["--client", "127.0.0.1", "--port", &port, "--json"]);
        let (memory, report) = watch(client.args(["--time", &SECONDS.to_string()]))?;
        let report: Value = serde_json::from_str(&report)?;
        if let Some(bits) = report["end"]["sum_received"]["bits_per_second"].as_f64() {
            return Ok(vec![bits / 8.0 / MIB, memory]);
        }
        ensure!(Instant::now() < deadline, "{}", report["error"]);
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program until it exits. Returns its maximum of anonymous memory in MiB, and what it printed.
fn watch(command: &mut Command) -> Result<(f64, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let pid = child.id();
    let output = child.stdout.take().context("it was piped")?;
    let watcher = thread::spawn(move || {
        let mut most = 0;
        if let Ok(mut process) = Process::open(pid) {
            while let Ok(memory) = process.memory() {
                most = most.max(memory.anonymous);
                thread::sleep(Duration::from_millis(5));
            }
        }
        most as f64 / MIB
    });
    let printed = std::io::read_to_string(output)?;
    child.wait()?;
    Ok((watcher.join().unwrap_or(f64::NAN), printed))
}

/// A child process that is killed on drop.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // An error means that it has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// iperf3 only counts whole seconds.
const SECONDS: u64 = 1;
