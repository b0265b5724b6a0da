//! `cargo xtask docs`: makes what in the documentation is measured and drawn: the picture of the README.

use anyhow::{Context, Result};

use crate::process;

pub(crate) fn run() -> Result<()> {
    process::run(&mut process::cargo(&["build", "--release", "--package", "echoctl"]))?;
    std::fs::create_dir_all("docs").context("cannot make the folder docs")?;
    let program = "target/release/echoctl";
    let example =
        ["run", "--release", "--package", "echoctl-lab", "--example", "picture", "--", program, PICTURE];
    process::run(&mut process::cargo(&example))?;
    println!("drawn: {PICTURE}");
    Ok(())
}

/// The chart of one run of the demo.
const PICTURE: &str = "docs/demo.svg";
