//! The process above the cases, which ends everything that they leave, whatever ends them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::kit::sys::{self, Setup};
use super::kit::{own_program, tree};
use super::plan::Plan;
use crate::process;

/// Builds the program unless one is named, and tries the cases on it in a process of their own.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    if plan.is_list {
        for (kind, case) in plan.cases() {
            println!("{kind}/{}", case.name);
        }
        return Ok(());
    }
    let bin = match plan.bin {
        Some(bin) => std::path::absolute(bin)?,
        None => build()?,
    };
    ensure!(bin.is_file(), "there is no program at {}", bin.display());
    let others = without_bin(options);
    sys::adopt_orphans();
    sys::block(&ENDING);
    let mut command = Command::new(own_program()?);
    command.arg("__faults").args(others).arg("--bin").arg(&bin);
    // Should this process be killed, the cases are told to end, and end what is below them.
    sys::set_up(&mut command, Setup { parent_death: Some(libc::SIGTERM), ..Setup::default() });
    let mut cases = command.spawn()?;
    let pid = cases.id();
    std::thread::spawn(move || {
        loop {
            sys::await_signal(&ENDING);
            // It ends everything below it, and then itself.
            let _ = sys::signal(pid, libc::SIGTERM);
        }
    });
    let status = cases.wait()?;
    let left = tree::descendants();
    tree::end_all();
    ensure!(left.is_empty(), "{} processes were left, and are ended now", left.len());
    ensure!(status.success(), "not all cases passed");
    Ok(())
}

/// The release build of the program.
fn build() -> Result<PathBuf> {
    process::run(&mut process::cargo(&["build", "--quiet", "--release", "--package", "echoctl"]))?;
    let target =
        own_program()?.parent().and_then(|profile| profile.parent()).map(|target| target.join("release"));
    Ok(target.unwrap_or_default().join("echoctl"))
}

fn without_bin<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let mut kept = options.to_vec();
    if let Some(at) = kept.iter().position(|option| *option == "--bin") {
        kept.drain(at..(at + 2).min(kept.len()));
    }
    kept
}

/// The signals that ask for an end.
pub(super) const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_program_is_taken_out_wherever_it_stands() {
        assert_eq!(without_bin(&["--short", "--bin", "x", "harm"]), ["--short", "harm"]);
        assert_eq!(without_bin(&["harm"]), ["harm"]);
    }
}
