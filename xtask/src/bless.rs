//! `cargo xtask bless`: accepts what the program prints now, as the snapshots in `crates/echoctl/tests/snapshots/`.

use anyhow::Result;

use crate::process;

/// Runs the tests of the snapshots so that they store what is printed. With `filters`, only the tests whose names contain
/// one of them.
pub(crate) fn run(filters: &[&str]) -> Result<()> {
    let of_program = if filters.is_empty() { &MODULES } else { filters };
    let outcomes = [store(&["--bins"], filters), store(&["--test", "program"], of_program)];
    println!(
        "bless: review the changes (`git diff crates/echoctl/tests/snapshots`) and commit them with their cause"
    );
    outcomes.into_iter().collect()
}

fn store(target: &[&str], filters: &[&str]) -> Result<()> {
    let mut tests = process::cargo(&["test", "--no-fail-fast", "--package", "echoctl"]);
    process::run(tests.args(target).arg("--").args(filters).env("ECHOCTL_BLESS", "1"))
}

/// The modules of the program's tests that have snapshots.
const MODULES: [&str; 2] = ["measured::", "snapshots::"];
