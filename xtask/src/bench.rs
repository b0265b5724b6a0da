//! `cargo xtask bench`: echoctl and its peers side by side; writes docs/performance.md.
//!
//! The two are built by two commands: in one, cargo would give echoctl the features that only the peers ask for.

use std::process::Command;

use anyhow::Result;

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    for package in ["echoctl", "echoctl-bench"] {
        process::run(&mut process::cargo(&["build", "--release", "--package", package]))?;
    }
    process::run(Command::new("target/release/echoctl-bench").args(options))
}
