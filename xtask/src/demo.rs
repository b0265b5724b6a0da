//! `cargo xtask demo`: the small demo, with the debug build that the tests have made already.
//!
//! A release build would take longer than the demo itself. What the demo shows does not
//! depend on optimisation: a queue that grows and one that does not.

use std::process::Command;

use anyhow::Result;

use crate::process;

pub(crate) fn run() -> Result<()> {
    // Of the workspace, because `--package echoctl` would resolve other features and so rebuild.
    process::run(&mut process::cargo(&["build", "--quiet", "--workspace", "--bin", "echoctl"]))?;
    process::run(Command::new(process::sibling("echoctl")?).args(["demo", "--yes", "--small", "--no-report"]))
}
