//! `cargo xtask faults`: every kind of fault that `echoctl` must bear, tried from outside on the built program.
//!
//! ```text
//! xtask faults ─┬─ xtask __fault NAME ─┬─ echoctl …           a case starts what it needs, looks, and decides
//! the watchdog  │       a case         └─ xtask __peer MODE   misbehaving servers, strangers, daemons
//!               └─ xtask __fault NAME …
//! ```
//!
//! The watchdog ends everything below it however the cases end, and a case ends everything below it when the watchdog is
//! killed, so that nothing is left in any event. One file holds the cases of one kind. A case judges by what a user gets:
//! exit codes, text, memory, processes; it waits for conditions, and its deadlines leave room for a busy machine.

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

/// Tries one case and prints its verdict: what the watchdog starts for each.
pub(crate) fn run_case(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    let bin = plan.bin.clone().context("which program? --bin PATH")?;
    let name = options.first().copied().unwrap_or_default();
    let (_, case) = plan
        .cases()
        .find(|(kind, case)| name == format!("{kind}/{}", case.name))
        .with_context(|| format!("no case is called '{name}'"))?;
    sys::end_after(LONGEST_CASE);
    sys::adopt_orphans();
    let folder = tempfile::Builder::new().prefix("echoctl-faults-").tempdir();
    let folder = folder.context("cannot make a temporary folder")?;
    end_on_signals(folder.path().to_owned());
    let verdict = case.run(&bin, folder.path());
    let left = tree::descendants();
    ensure!(left.is_empty(), "{} processes cannot be ended", left.len());
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

/// Ends everything below this process, and removes its folder, when it is asked to end.
fn end_on_signals(folder: PathBuf) {
    sys::block(&watchdog::ENDING);
    std::thread::spawn(move || {
        sys::await_signal(&watchdog::ENDING);
        tree::end_all();
        // What cannot be removed is empty or in use, and in the system's own folder for such things.
        let _ = std::fs::remove_dir_all(&folder);
        std::process::exit(130);
    });
}

/// In seconds: the longest that any case may take; what it has started is then ended by the watchdog.
const LONGEST_CASE: u32 = 900;
