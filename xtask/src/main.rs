//! Developer commands, one file for each: `cargo xtask help` lists them.
//!
//! The pattern is that of <https://github.com/matklad/cargo-xtask>: an ordinary member of the workspace and one alias in
//! `.cargo/config.toml`, so that only the Rust toolchain needs to be installed.

mod audit_table;
mod bench;
mod bless;
mod check;
mod demo;
mod dist;
mod docs;
#[cfg(target_os = "linux")]
mod faults;
mod fuzz;
mod process;
mod soak;
mod tidy;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["help" | "--help" | "-h"] | [_, "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["check"] => check::run(),
        ["tidy"] => tidy::run(),
        ["bless", filters @ ..] => bless::run(filters),
        ["demo"] => demo::run(),
        ["dist", options @ ..] => dist::run(options),
        ["docs", parts @ ..] => docs::run(parts),
        ["audit-table", cases] => audit_table::run(cases),
        ["bench", options @ ..] => bench::run(options),
        ["soak", options @ ..] => soak::run(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        #[cfg(target_os = "linux")]
        ["faults", options @ ..] => faults::run(options),
        // Internal: the processes of `faults`.
        #[cfg(target_os = "linux")]
        ["__fault", options @ ..] => faults::run_case(options),
        #[cfg(target_os = "linux")]
        ["__peer", rest @ ..] => faults::peer::run(rest),
        #[cfg(not(target_os = "linux"))]
        ["faults", ..] => bail!("faults is only supported on Linux"),
        [] => bail!("command missing\n\n{USAGE}"),
        _ => bail!("unknown command '{}'\n\n{USAGE}", words.join(" ")),
    }
}

const USAGE: &str = "\
cargo xtask check                       run everything that CI checks, in its order: format, clippy, tidy, typos, deny, tests, docs, demo, faults
cargo xtask tidy                        check only the house rules
cargo xtask bless [TEST…]               accept what the program prints now as its snapshots (of all tests, or those named)
cargo xtask demo                        run the small demo
cargo xtask dist [--binary PATH]        make everything that is shipped, in dist/: archive, Debian package, image, checksums (static release build)
cargo xtask docs [PART]                 make the README's picture and recording again (release build) and the book, or one: picture, recording, book
cargo xtask audit-table CASES           write docs/audited.md from audits of the real servers in CASES (release build)
cargo xtask bench [--quick]             measure echoctl and its peers side by side: docs/performance.md, or with --quick an overview
cargo xtask soak [--minutes 30] […]     run 1,000 peers that connect, flood, stall, read, reset and leave; check the server for leaks
cargo xtask soak --everything […]       the same with all policies, I/O modes and commands at once
cargo xtask fuzz [TARGET…] [--for 60s]  run all fuzz targets, or these, for this long each
cargo xtask faults [--short] [NAME…]    every kind of fault, tried from outside on the release build, or --bin PATH; --busy, --list";
