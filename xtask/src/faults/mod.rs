//! `cargo xtask faults`: every kind of fault that `echoctl` must bear, tried from outside on the built program.
//!
//! ```text
//! xtask faults ── xtask __faults ──┬─ echoctl …           a case starts what it needs, looks, and decides
//! the watchdog      the cases      └─ xtask __peer MODE   misbehaving servers, strangers, daemons
//! ```
//!
//! The watchdog ends everything below it however the cases end, and the cases end everything below them when the watchdog
//! is killed, so that nothing is left in any case. One file holds the cases of one kind. A case judges by what a user gets:
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
mod watchdog;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use case::{Case, Verdict};
use kit::{sys, tree};
use plan::Plan;

pub(crate) use watchdog::run;

/// Tries the cases: what the watchdog starts.
pub(crate) fn run_cases(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    let bin = plan.bin.clone().context("which program? --bin PATH")?;
    sys::adopt_orphans();
    end_on_signals();
    if plan.is_busy {
        keep_busy();
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (kind, case) in plan.cases() {
        let (verdict, took) = case.run(&bin);
        let (word, detail) = match verdict {
            Verdict::Passed => ("ok  ", String::new()),
            Verdict::Failed(why) => ("FAIL", format!(": {why}")),
            Verdict::Skipped(why) => ("skip", format!(": {why}")),
        };
        println!("{word} {kind}/{} ({:.1} s){detail}", case.name, took.as_secs_f64());
        match word {
            "ok  " => passed += 1,
            "FAIL" => failed += 1,
            _ => skipped += 1,
        }
    }
    let left = tree::left_behind(&Default::default(), Duration::from_secs(5));
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ensure!(left.is_empty(), "processes are left: {}", left.join(", "));
    match failed {
        0 => Ok(()),
        _ => bail!("{failed} cases failed"),
    }
}

/// All cases, by kind.
const KINDS: [(&str, &[Case]); 11] = [
    ("harm", harm::CASES),
    ("leftovers", leftovers::CASES),
    ("escapes", escapes::CASES),
    ("endings", endings::CASES),
    ("limits", limits::CASES),
    ("files", files::CASES),
    ("inputs", inputs::CASES),
    ("numbers", numbers::CASES),
    ("addresses", addresses::CASES),
    ("guard", guard::CASES),
    ("dns", dns::CASES),
];

/// Ends everything below this process when it is asked to end.
fn end_on_signals() {
    sys::block(&watchdog::ENDING);
    std::thread::spawn(|| {
        sys::await_signal(&watchdog::ENDING);
        tree::end_all();
        std::process::exit(130);
    });
}

/// Keeps two processors busy for as long as this process lives.
fn keep_busy() {
    for _ in 0..2 {
        std::thread::spawn(|| {
            loop {
                std::hint::black_box(0);
            }
        });
    }
}
