//! The chart of one run of the demo, which the README shows.

use std::path::Path;

use anyhow::Result;

use crate::process;

pub(super) fn draw(program: &Path) -> Result<()> {
    let mut example =
        process::cargo(&["run", "--release", "--package", "echoctl-lab", "--example", "picture", "--"]);
    process::run(example.arg(program).arg(PICTURE))?;
    println!("drawn: {PICTURE}");
    Ok(())
}

const PICTURE: &str = "docs/demo.svg";
