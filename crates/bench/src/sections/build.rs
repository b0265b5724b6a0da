//! The build: build time, size of the program, and start-up time.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::goal::Goal;
use crate::results::{Column, Results};
use crate::server::Programs;

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let columns = vec![
        Column::plain("clean build, s", 1),
        Column::plain("binary, MiB", 2),
        Column::plain("--version, ms", 2),
        Column::plain("crates", 0),
    ];
    let mut results = Results::new(["echoctl"], columns);
    if !effort.is_quick {
        results.fill(0, 1, effort.steady_rounds, |_| Ok(vec![clean_build()?]));
    }
    results.fill(1, 1, 1, |_| Ok(vec![fs::metadata(programs.path("echoctl"))?.len() as f64 / MIB]));
    results.fill(2, 1, STARTS, |_| Ok(vec![start(programs)?]));
    results.fill(3, 1, 1, |_| Ok(vec![crates()?]));

    let size = results.median(0, 1);
    let goals = [
        Goal::at_most("clean release build, two jobs", results.median(0, 0), 75.0, |s| format!("{s:.0} s")),
        Goal::at_most("size of the program, stripped", size, 8.0, |mib| format!("{mib:.1} MiB")),
        Goal::at_most("`echoctl --version`", results.median(0, 2), 5.0, |ms| format!("{ms:.1} ms")),
    ];
    Ok(Measured {
        title: "The build",
        text: format!(
            "`cargo build --release --locked` into an empty directory, with all dependencies downloaded and two jobs; the size of the resulting \
             program; the median of {STARTS} starts; and the number of crates in it, its own included \
             (`cargo tree --edges normal`)."
        ),
        results: Some(results),
        goals: goals.into_iter().flatten().collect(),
        chart: None,
    })
}

/// Seconds.
fn clean_build() -> Result<f64> {
    let folder = std::env::temp_dir().join(format!("echoctl-bench-build-{}", std::process::id()));
    let began = Instant::now();
    let built = cargo()
        .args(["build", "--release", "--locked", "--quiet", "--jobs", "2", "--target-dir"])
        .arg(&folder)
        .status();
    let seconds = began.elapsed().as_secs_f64();
    // It occupies half a gigabyte, even if the build failed; where nothing was built there is nothing to remove.
    let _ = fs::remove_dir_all(&folder);
    ensure!(built.context("cannot start cargo")?.success(), "the build failed");
    Ok(seconds)
}

/// Milliseconds.
fn start(programs: &Programs) -> Result<f64> {
    let began = Instant::now();
    let output = Command::new(programs.path("echoctl")).arg("--version").output()?;
    let took = began.elapsed();
    ensure!(output.status.success(), "`echoctl --version` failed");
    Ok(1000.0 * took.as_secs_f64())
}

fn crates() -> Result<f64> {
    let tree = cargo()
        .args(["tree", "--locked", "--package", "echoctl", "--edges", "normal", "--prefix", "none"])
        .output()?;
    ensure!(tree.status.success(), "cargo tree failed");
    let tree = String::from_utf8(tree.stdout)?;
    let names: BTreeSet<_> =
        tree.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    Ok(names.len() as f64)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

const STARTS: usize = 50;
