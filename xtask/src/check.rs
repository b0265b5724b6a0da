//! `cargo xtask check`: everything that CI checks, in the same order, up to the first failure.
//!
//! The fastest steps, and those that fail most often, come first. Clippy and the tests use the same (debug) profile, and the
//! demo and the faults use the program that the tests have built. What does not come with the toolchain is skipped where it is not
//! installed, and says so.

use std::num::NonZero;
use std::process::Command;
use std::time::Instant;
use std::{env, thread};

use anyhow::{Context, Result};

use crate::{demo, docs, process, tidy};

pub(crate) fn run() -> Result<()> {
    let began = Instant::now();
    for (number, step) in (1..).zip(&STEPS) {
        // On stderr, as cargo's own progress, so that both appear in order.
        eprintln!("\n=== check {number}/{}: {}", STEPS.len(), step.name);
        let step_began = Instant::now();
        (step.run)().with_context(|| format!("check failed at '{}': {}", step.name, step.remedy))?;
        eprintln!("=== {}: passed in {} s", step.name, step_began.elapsed().as_secs());
    }
    eprintln!("\n=== check: all {} steps passed in {} s", STEPS.len(), began.elapsed().as_secs());
    Ok(())
}

struct Step {
    name: &'static str,
    /// What to do if it fails.
    remedy: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: [Step; 10] = [
    Step { name: "format", remedy: "run `cargo fmt --all`", run: format },
    Step { name: "clippy", remedy: "fix the warnings above", run: clippy },
    Step { name: "tidy", remedy: "each finding above names its remedy", run: tidy::run },
    Step { name: "typos", remedy: "correct the word, or explain it in typos.toml", run: typos },
    Step { name: "deny", remedy: "use another dependency, or explain it in deny.toml", run: deny },
    Step { name: "packages", remedy: "complete the Cargo.toml that is named", run: packages },
    Step { name: "tests", remedy: "see the failed test above; run it by its name", run: tests },
    Step { name: "docs", remedy: "fix the warnings above", run: documentation },
    Step { name: "demo", remedy: "run it by hand: `cargo run -- demo --small`", run: demo::run },
    Step { name: "faults", remedy: "run one case: `cargo xtask faults NAME`", run: faults },
];

fn format() -> Result<()> {
    process::run(&mut process::cargo(&["fmt", "--all", "--", "--check"]))
}

fn clippy() -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    process::run(&mut process::cargo(&arguments))
}

fn typos() -> Result<()> {
    if_installed("typos", "typos-cli", &[])
}

/// Licences, sources and duplicates of the dependencies. Advisories need the network, so only the workflow asks for them.
fn deny() -> Result<()> {
    if_installed("cargo-deny", "cargo-deny", &["--locked", "check", "bans", "licenses", "sources"])
}

/// Whether every crate can be published: nothing that is not built, since clippy has compiled the same code, and without asking
/// the registry, since its index is here as soon as something is built.
fn packages() -> Result<()> {
    process::run(&mut process::cargo(&[
        "package",
        "--quiet",
        "--workspace",
        "--no-verify",
        "--allow-dirty",
        "--offline",
    ]))
}

/// Runs a tool that is not part of the toolchain. `package` is what `cargo install` calls it.
fn if_installed(tool: &str, package: &str, arguments: &[&str]) -> Result<()> {
    if !process::is_installed(tool) {
        eprintln!("skipped: {tool} is not installed\nhint: cargo install --locked {package}");
        return Ok(());
    }
    process::run(Command::new(tool).args(arguments))
}

fn tests() -> Result<()> {
    let needed = [
        ("prometheus", "the alert rules", "prometheus"),
        ("promtool", "the alert rules", "prometheus"),
        ("chromium", "the class page", "chromium"),
        ("chromedriver", "the class page", "chromium-driver"),
    ];
    for (tool, tested, package) in needed {
        if !process::is_installed(tool) {
            eprintln!("skipped: the tests of {tested} that need {tool}\nhint: apt-get install {package}");
        }
    }
    let mut tests: Command = process::cargo(&["test", "--workspace"]);
    if env::var_os(THREADS).is_none() {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        tests.env(THREADS, (cores * TESTS_PER_CORE).to_string());
    }
    process::run(&mut tests)
}

/// How many tests of one program run at once: libtest's variable, whose default is the number of cores.
const THREADS: &str = "RUST_TEST_THREADS";

/// The tests that take longest wait: for a stall that has to last, for a server that has to end. Those of audits compute for 78 s of the 245 s
/// that they take with one per core.
/// With three per core on a machine that has something else to do, audits fail, rightly: they measure that it is too busy.
const TESTS_PER_CORE: usize = 2;

/// rustdoc, and the book of `docs/`; that its links lead somewhere is a rule of tidy.
fn documentation() -> Result<()> {
    let mut rustdoc: Command = process::cargo(&["doc", "--workspace", "--no-deps"]);
    process::run(rustdoc.env("RUSTDOCFLAGS", "--deny warnings"))?;
    if_installed(docs::MDBOOK, "mdbook", &["build"])
}

/// The quick cases of every kind of fault, with the program that the demo has just run.
fn faults() -> Result<()> {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: faults needs Linux");
        return Ok(());
    }
    let bin = process::sibling("echoctl")?;
    process::run(Command::new(process::sibling("xtask")?).args(["faults", "--short", "--bin"]).arg(bin))
}
