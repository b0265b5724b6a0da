//! `cargo xtask docs`: the README's picture and recording from a new measurement, and the pages of `docs/` as a book.
//!
//! Picture and recording are files of the tree, since a README can show nothing else. The book is built into `target/book`.

mod picture;
mod recording;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

pub(crate) fn run(words: &[&str]) -> Result<()> {
    match words {
        [] => {
            let program = built()?;
            picture::draw(&program)?;
            recording::make(&program)?;
            book()
        }
        ["picture"] => picture::draw(&built()?),
        ["recording"] => recording::make(&built()?),
        ["recording", "--bin", program] => recording::make(&std::path::absolute(program)?),
        ["book"] => book(),
        _ => bail!(
            "unknown part of the docs: '{}': expected picture, recording [--bin PATH] or book",
            words.join(" ")
        ),
    }
}

/// Builds `docs/` as a book, whose chapters are those of `docs/SUMMARY.md`.
pub(crate) fn book() -> Result<()> {
    if !process::is_installed(MDBOOK) {
        bail!("build the book: mdbook is not installed\nhint: cargo install --locked mdbook");
    }
    process::run(Command::new(MDBOOK).arg("build"))?;
    println!("built: target/book/index.html");
    Ok(())
}

pub(crate) const MDBOOK: &str = "mdbook";

/// The release build of echoctl.
fn built() -> Result<PathBuf> {
    process::run(&mut process::cargo(&["build", "--release", "--package", "echoctl"]))?;
    Ok(process::root().join("target/release/echoctl"))
}
