//! `cargo xtask demo`: the short demo, from the debug build that the tests have made already.
//!
//! A release build would have to be made first, which takes longer than the demo itself. What the demo shows does not
//! depend on optimisation: a queue that grows and one that does not.

use std::process::Command;

use anyhow::Result;

use crate::process;

pub(crate) fn run() -> Result<()> {
    // All binaries of the workspace, because `--package echoctl` alone would resolve other features and so build anew.
    process::run(&mut process::cargo(&["build", "--quiet", "--workspace", "--bins"]))?;
    process::run(Command::new(process::sibling("echoctl")?).args(["demo", "--yes", "--small", "--no-report"]))
}
