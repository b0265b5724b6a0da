//! The benchmark: measures echoctl and its peers side by side, interleaved, and writes docs/performance.md.
//!
//! ```text
//! sections/   one experiment per file: what is measured, its goals, its chart
//!   |  start servers (server.rs: echoctl, the peers of bin/peer, Node)
//!   |  load them (load/: stream, ping, crowd), and check every byte that comes back; count their system calls (calls.rs)
//!   |  run other commands of echoctl and read their events (events.rs)
//!   v
//! results.rs  all values of all rounds; medians, and ratios paired by round
//!   v
//! document.rs docs/performance.md and its charts
//! ```
//!
//! Every figure is a median of interleaved rounds, since a machine's speed varies over time. Within a round all servers are measured
//! one after another, each round starting with a different one and every second round in reverse order, so that no server
//! always runs after the same one. `echoctl` has two rows in each table, as the same program: a difference no larger than
//! between these two is noise.
//!
//! `soak/` uses the same servers for a test: after half an hour of a thousand peers, has the server leaked anything?

mod calls;
mod document;
mod effort;
mod events;
mod goal;
mod load;
mod machine;
mod results;
mod sections;
mod server;
mod soak;

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use document::Document;
use effort::Effort;
use sections::SECTIONS;
use server::Programs;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // 15,000 connections need as many file descriptors in each server and here; children inherit the limit.
    let raised = echoctl_observe::raise_descriptor_limit().context("cannot raise the limit of open files");
    let done = raised.and_then(|_| match words.as_slice() {
        // A test with the same servers, not a measurement.
        ["soak", words @ ..] => soak::run(words),
        words => run(words),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let mut effort = Effort::full();
    let mut only: Vec<&str> = Vec::new();
    let mut words_left = words.iter();
    while let Some(word) = words_left.next() {
        match *word {
            "--quick" => effort = Effort { rounds: 1, ..Effort::quick() },
            "--rounds" => {
                let rounds = words_left.next().context("--rounds: value missing")?;
                effort.rounds =
                    rounds.parse().ok().filter(|rounds| *rounds > 0).context("--rounds: a number above 0")?;
            }
            "--seconds" => {
                let seconds = words_left.next().and_then(|seconds| seconds.parse().ok());
                let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                effort.time = time.filter(|time| !time.is_zero()).context("--seconds: a number above 0")?;
            }
            "--only" => only = words_left.next().context("--only: value missing")?.split(',').collect(),
            _ => bail!("unknown option '{word}'\n\n{USAGE}"),
        }
    }
    if let Some(name) = only.iter().find(|name| SECTIONS.iter().all(|section| section.name != **name)) {
        let names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
        bail!("--only: unknown section '{name}': expected {}", names.join(", "));
    }

    let programs = Programs::copied()?;
    let began = Instant::now();
    let mut document = Document::new(words, &effort);
    for section in SECTIONS.iter().filter(|section| only.is_empty() || only.contains(&section.name)) {
        eprintln!("=== {} (after {} s)", section.name, began.elapsed().as_secs());
        document.add(
            (section.measure)(&effort, &programs).with_context(|| format!("measuring '{}'", section.name))?,
        );
    }
    // Only a full run becomes documentation.
    if only.is_empty() && !effort.is_quick {
        document.write()
    } else {
        println!("{document}");
        Ok(())
    }
}

const USAGE: &str = "cargo xtask bench [--rounds 5] [--seconds 0.7] [--only SECTION,…] [--quick]";
