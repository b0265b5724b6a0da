//! The build: build time, size of the program, and start-up time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::goal::Goal;
use crate::results::{Column, Results, median};
use crate::server::Programs;

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let variants = effort.some(&VARIANTS, 1);
    let columns = vec![
        Column::plain("clean build, s", 1),
        Column::plain("binary, MiB", 2),
        Column::plain("--version, ms", 2),
        Column::plain("crates", 0),
    ];
    let mut results = Results::new(variants.iter().map(|variant| variant.name), columns);
    if effort.is_quick {
        results.fill(1, 2, 1, |_| program(&programs.path("echoctl")));
    } else {
        results.fill(0, 3, effort.steady_rounds, |row| variants[row].build());
    }
    results.fill(3, 1, 1, |row| Ok(vec![variants[row].crates()?]));

    let goals = variants.iter().enumerate().flat_map(|(row, variant)| variant.goals(row, &results)).collect();
    Ok(Measured {
        title: "The build",
        text: format!(
            "`cargo build --release --locked` into an empty directory, with all dependencies downloaded and two jobs; the size of the resulting \
             program; the median of {STARTS} starts; and the number of crates in it, its own included \
             (`cargo tree --edges normal`). The second row is the program without the class page and metrics, TLS, and the \
             terminal instrument of `watch`."
        ),
        results: Some(results),
        goals,
        chart: None,
    })
}

/// A choice of features, and what its build may take.
struct Variant {
    name: &'static str,
    options: &'static [&'static str],
    /// Seconds of a clean build.
    seconds: f64,
    /// MiB of the program.
    size: f64,
}

impl Variant {
    /// Seconds of a clean build, and the figures of the program.
    fn build(&self) -> Result<Vec<f64>> {
        let folder = std::env::temp_dir().join(format!("echoctl-bench-build-{}", std::process::id()));
        let built = self.build_into(&folder);
        // It occupies half a gigabyte, even if the build failed; where nothing was built there is nothing to remove.
        let _ = fs::remove_dir_all(&folder);
        built
    }

    fn build_into(&self, folder: &Path) -> Result<Vec<f64>> {
        let began = Instant::now();
        let built = cargo()
            .args(["build", "--release", "--locked", "--quiet", "--jobs", "2", "--target-dir"])
            .arg(folder)
            .args(self.options)
            .status();
        let seconds = began.elapsed().as_secs_f64();
        ensure!(built.context("cannot start cargo")?.success(), "the build failed");
        Ok([vec![seconds], program(&folder.join("release/echoctl"))?].concat())
    }

    fn crates(&self) -> Result<f64> {
        let tree = cargo()
            .args(["tree", "--locked", "--package", "echoctl", "--edges", "normal", "--prefix", "none"])
            .args(self.options)
            .output()?;
        ensure!(tree.status.success(), "cargo tree failed");
        let tree = String::from_utf8(tree.stdout)?;
        let names: BTreeSet<_> =
            tree.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
        Ok(names.len() as f64)
    }

    fn goals(&self, row: usize, results: &Results) -> Vec<Goal> {
        let what = |what: &str| format!("{what}: {}", self.name);
        let seconds = |value: f64| format!("{value:.0} s");
        let mib = |value: f64| format!("{value:.1} MiB");
        let ms = |value: f64| format!("{value:.1} ms");
        let figure = |column| results.median(row, column);
        let goals = [
            Goal::at_most(&what("clean release build, two jobs"), figure(0), self.seconds, seconds),
            Goal::at_most(&what("size of the program, stripped"), figure(1), self.size, mib),
            Goal::at_most(&what("`echoctl --version`"), figure(2), 5.0, ms),
        ];
        goals.into_iter().flatten().collect()
    }
}

/// MiB of a program, and milliseconds of a start.
fn program(path: &Path) -> Result<Vec<f64>> {
    let starts = (0..STARTS).map(|_| start(path)).collect::<Result<Vec<_>>>()?;
    let start = median(starts).context("it was never started")?;
    Ok(vec![fs::metadata(path)?.len() as f64 / MIB, start])
}

/// Milliseconds.
fn start(program: &Path) -> Result<f64> {
    let began = Instant::now();
    let output = Command::new(program).arg("--version").output()?;
    let took = began.elapsed();
    ensure!(output.status.success(), "`echoctl --version` failed");
    Ok(1000.0 * took.as_secs_f64())
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

const VARIANTS: [Variant; 2] = [
    Variant { name: "all features", options: &[], seconds: 110.0, size: 12.0 },
    Variant { name: "no features", options: &["--no-default-features"], seconds: 70.0, size: 7.0 },
];

const STARTS: usize = 50;
