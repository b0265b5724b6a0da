//! `cargo xtask docs`: draws the README's picture from a new measurement.

use anyhow::{Context, Result};

use crate::process;

pub(crate) fn run() -> Result<()> {
    process::run(&mut process::cargo(&["build", "--release", "--package", "echoctl"]))?;
    std::fs::create_dir_all("docs").context("cannot create the directory docs")?;
    let program = "target/release/echoctl";
    let example =
        ["run", "--release", "--package", "echoctl-lab", "--example", "picture", "--", program, PICTURE];
    process::run(&mut process::cargo(&example))?;
    println!("drawn: {PICTURE}");
    Ok(())
}

/// The chart of one run of the demo.
const PICTURE: &str = "docs/demo.svg";
