//! `cargo xtask bless`: accepts what the program prints now, as the snapshots in `crates/echoctl/tests/snapshots/`.

use anyhow::Result;

use crate::process;

/// Runs the tests of the snapshots so that they store what is printed. With `filters`, only the tests whose names contain
/// one of them.
pub(crate) fn run(filters: &[&str]) -> Result<()> {
    let mut tests = process::cargo(&[
        "test",
        "--no-fail-fast",
        "--package",
        "echoctl",
        "--bins",
        "--test",
        "snapshots",
        "--test",
        "measured",
    ]);
    process::run(tests.arg("--").args(filters).env("ECHOCTL_BLESS", "1"))?;
    println!(
        "bless: review the changes (`git diff crates/echoctl/tests/snapshots`) and commit them with their cause"
    );
    Ok(())
}
