//! `cargo xtask soak`: a thousand peers connect, flood, stall, read, reset and leave; afterwards the server must be as
//! it was before.
//!
//! A separate command builds the server, as in `bench`.

use std::process::Command;

use anyhow::Result;

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    for package in ["echoctl", "echoctl-bench"] {
        process::run(&mut process::cargo(&["build", "--release", "--package", package]))?;
    }
    process::run(Command::new("target/release/echoctl-bench").arg("soak").args(options))
}
