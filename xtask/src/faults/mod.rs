//! `cargo xtask faults`: tries every kind of fault that `echoctl` must survive, from outside, on the built program.
//!
//! ```text
//! xtask faults ─┬─ xtask __fault NAME ─┬─ echoctl …           a case starts what it needs, observes, and decides
//! the watchdog  │       a case         └─ xtask __peer MODE   misbehaving servers, strangers, daemons
//!               └─ xtask __fault NAME …
//! ```
//!
//! The watchdog kills everything below it however the cases exit, and a case kills everything below it when the watchdog is
//! killed, so that no process is left behind. One file contains the cases of one kind. A case judges by what a user sees:
//! exit codes, text, memory, processes. It waits for conditions, and its deadlines allow for a busy machine.

mod addresses;
mod case;
mod dns;
mod endings;
mod escapes;
mod files;
mod guard;
mod harm;
mod inputs;
mod kit;
mod leftovers;
mod limits;
mod numbers;
pub(crate) mod peer;
mod plan;
mod records;
mod signals;
mod surroundings;
mod watchdog;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use case::{Case, Verdict};
use kit::{sys, tree};
use plan::Plan;

pub(crate) use watchdog::run;

/// Runs one case and prints its verdict; the watchdog starts this for each.
pub(crate) fn run_case(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    let bin = plan.bin.clone().context("--bin PATH is missing")?;
    let name = options.first().copied().unwrap_or_default();
    let (_, case) = plan
        .cases()
        .find(|(kind, case)| name == format!("{kind}/{}", case.name))
        .with_context(|| format!("unknown case '{name}'"))?;
    sys::end_after(LONGEST_CASE);
    sys::adopt_orphans();
    let folder = tempfile::Builder::new().prefix("echoctl-faults-").tempdir();
    let folder = folder.context("cannot create a temporary directory")?;
    end_on_signals(folder.path().to_owned());
    let verdict = case.run(&bin, folder.path());
    let left = tree::descendants();
    ensure!(left.is_empty(), "{} processes cannot be killed", left.len());
    match verdict {
        Verdict::Passed => println!("ok"),
        Verdict::Failed(why) => println!("FAIL {why}"),
        Verdict::Skipped(why) => println!("skip {why}"),
    }
    Ok(())
}

/// All cases, by kind.
const KINDS: [(&str, &[Case]); 13] = [
    ("harm", harm::CASES),
    ("leftovers", leftovers::CASES),
    ("escapes", escapes::CASES),
    ("endings", endings::CASES),
    ("signals", signals::CASES),
    ("limits", limits::CASES),
    ("files", files::CASES),
    ("inputs", inputs::CASES),
    ("numbers", numbers::CASES),
    ("addresses", addresses::CASES),
    ("guard", guard::CASES),
    ("dns", dns::CASES),
    ("surroundings", surroundings::CASES),
];

/// On a signal to exit, kills everything below this process, and removes its directory.
fn end_on_signals(folder: PathBuf) {
    sys::block(&watchdog::ENDING);
    std::thread::spawn(move || {
        sys::await_signal(&watchdog::ENDING);
        tree::end_all();
        // Files that cannot be removed are in use, and in the system's own temporary directory.
        let _ = std::fs::remove_dir_all(&folder);
        std::process::exit(130);
    });
}

/// In seconds: maximum duration of a case; afterwards the watchdog kills its processes.
const LONGEST_CASE: u32 = 900;
