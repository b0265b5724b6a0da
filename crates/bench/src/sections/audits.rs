//! Audits: how long one takes, and how long its search of the server's memory.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::goal::Goal;
use crate::results::{Column, Results, median};
use crate::server::{Candidate, Programs};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let audits = Audit::all();
    let audits = effort.some(&audits, QUICK_AUDITS);
    let columns = vec![
        Column::plain("whole run, s", 1),
        Column::plain("the attack, s", 1),
        Column::plain("memory searched, MiB", 1),
        Column::plain("search, s per 100 MiB", 3),
    ];
    let mut results = Results::new(audits.iter().map(Audit::name), columns);
    results.fill(0, 4, effort.steady_rounds, |row| audits[row].run(programs));

    let runs: Vec<_> = (0..audits.len()).filter_map(|row| results.median(row, 0)).collect();
    let search = (0..audits.len()).filter_map(|row| results.median(row, 3)).max_by(f64::total_cmp);
    let window = audits.iter().position(|audit| audit.target == Target::Http2);
    let window = window.and_then(|row| results.median(row, 0));
    let seconds = |value: f64| format!("{value:.2} s");
    let goals = [
        Goal::at_least(
            "audits with the expected verdict",
            Some(runs.len() as f64),
            audits.len() as f64,
            |count| format!("{count:.0}"),
        ),
        Goal::at_most("search of 100 MiB of a server's memory", search, 0.2, seconds),
        Goal::at_most("audit of an HTTP/2 server with the window closed", window, 6.0, seconds),
        Goal::at_most("whole run of an audit, median of all servers", median(runs), 5.0, seconds),
    ];
    Ok(Measured {
        title: "Audits",
        text: format!(
            "`echoctl audit` of each server, freshly started, with lines of 1 KiB; `h2` is an HTTP/2 server with an endless body, \
             audited with `--stall window`: the client reads all the time, and only its HTTP/2 window is closed. Behind each name is the \
             verdict that is expected; an audit with another one is not counted. The attack ends as soon as the evidence is sufficient, \
             and a server that has stopped reading has to be watched for {STALL} s; one whose memory grows is given more input until there is no doubt. The rest of \
             a run is the phases with healthy clients, before and after, and the draining. The search of the memory (census) \
             depends on how much the server has, so it is given per 100 MiB, for servers in which there were at least {LEAST_SEARCHED} MiB. These \
             are the servers of this page; `cargo xtask audit-table` measures others, and their median.",
        ),
        results: Some(results),
        goals: goals.into_iter().flatten().collect(),
        ..Measured::default()
    })
}

/// An audit, and the verdict that is right.
#[derive(Debug, Clone)]
struct Audit {
    server: Candidate,
    target: Target,
    verdict: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Lines,
    Http2,
}

impl Audit {
    /// The first few are one of each kind.
    fn all() -> Vec<Audit> {
        let policy = |policy, verdict| Audit {
            server: Candidate::echoctl(format!("echoctl, {policy}"), &["--backpressure", policy]),
            target: Target::Lines,
            verdict,
        };
        let peer = |name, target, verdict| Audit { server: Candidate::peer(name), target, verdict };
        let node =
            Candidate::node().map(|server| Audit { server, target: Target::Lines, verdict: "bounded" });
        let echoes = ["tokio-loop", "tokio-copy", "tokio-lines", "threads", "monoio", "io-uring", "splice"];
        let audits = [
            policy("off", "unbounded"),
            peer("h2", Target::Http2, "bounded"),
            policy("await", "bounded"),
            policy("bounded", "bounded"),
            policy("watermark", "bounded"),
            policy("budget", "bounded"),
            policy("drop", "discards"),
            policy("disconnect", "disconnects"),
            peer("sink", Target::Lines, "discards"),
        ];
        let echoes = echoes.map(|name| peer(name, Target::Lines, "bounded"));
        audits.into_iter().chain(echoes).chain(node).collect()
    }

    fn name(&self) -> String {
        format!("{}: {}", self.server.name, self.verdict)
    }

    /// Seconds of the run and of the attack; MiB searched, and seconds per 100 of them.
    fn run(&self, programs: &Programs) -> Result<Vec<f64>> {
        let server = self.server.start(programs)?;
        let mut command = Command::new(programs.path("echoctl"));
        match self.target {
            Target::Lines => command.args(["audit", "--json", &server.addr.to_string()]),
            Target::Http2 => {
                command.args(["audit", "--json", "--stall", "window", &format!("h2c://{}/", server.addr)])
            }
        };
        let began = Instant::now();
        let output = command.stdin(Stdio::null()).output().context("cannot start echoctl audit")?;
        let run = began.elapsed().as_secs_f64();
        let printed = String::from_utf8(output.stdout)?;
        let summary: Value = serde_json::from_str(printed.lines().last().context("it printed nothing")?)?;
        ensure!(
            summary["verdict"] == self.verdict,
            "the verdict was {}: {}",
            summary["verdict"],
            summary["reason"]
        );
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let (searched, seconds) =
            (number(&summary["census"]["scanned"]) / MIB, number(&summary["census"]["seconds"]));
        let search = if searched >= LEAST_SEARCHED { seconds * 100.0 / searched } else { f64::NAN };
        Ok(vec![run, number(&summary["attack_seconds"]), searched, search])
    }
}

/// What an overview audits.
const QUICK_AUDITS: usize = 3;

/// MiB of memory below which the time of a search says nothing.
const LEAST_SEARCHED: f64 = 16.0;

/// Seconds for which a stopped server is watched.
const STALL: f64 = 3.5;
