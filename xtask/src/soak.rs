//! `cargo xtask soak`: a thousand peers that come, flood, stall, read, reset and go, and a server that must be afterwards what
//! it was before.
//!
//! The server is built by a command of its own, as in `bench`.

use std::process::Command;

use anyhow::Result;

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    for package in ["echoctl", "echoctl-bench"] {
        process::run(&mut process::cargo(&["build", "--release", "--package", package]))?;
    }
    process::run(Command::new("target/release/echoctl-bench").arg("soak").args(options))
}
