//! `cargo xtask soak`: a thousand peers connect, flood, stall, read, reset and leave; afterwards the server must be as
//! it was before. With `--everything`, all policies, I/O modes and commands at once.
//!
//! It is a part of the benchmark's program, which is built as for `bench`.

use anyhow::Result;

use crate::bench;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    bench::run(&[&["soak"], options].concat())
}
