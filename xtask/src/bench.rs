//! `cargo xtask bench`: measures echoctl and its peers side by side; writes docs/performance.md.
//!
//! Two commands build them: in one command, cargo would give echoctl the features that only the peers need.

use std::process::Command;

use anyhow::Result;

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    for package in ["echoctl", "echoctl-bench"] {
        process::run(&mut process::cargo(&["build", "--release", "--package", package]))?;
    }
    process::run(Command::new("target/release/echoctl-bench").args(options))
}
