//! The process above the cases: it runs several at a time, prints and counts their verdicts, and kills all
//! processes that they leave behind.

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::case::Case;
use super::kit::sys::{self, Setup};
use super::kit::{own_program, tree};
use super::plan::Plan;
use crate::process;

/// Builds the program unless one is given, and runs the cases with it, each in its own process.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    if plan.is_list {
        plan.cases().for_each(|(kind, case)| println!("{kind}/{}", case.name));
        return Ok(());
    }
    let bin = match &plan.bin {
        Some(bin) => std::path::absolute(bin)?,
        None => build()?,
    };
    ensure!(bin.is_file(), "no program at {}", bin.display());
    sys::adopt_orphans();
    sys::block(&ENDING);
    if plan.is_busy {
        keep_busy();
    }
    let pool = Pool { waiting: Mutex::new(plan.cases().collect()), ..Pool::default() };
    let pool = &pool;
    // It runs as long as the process does, and so is not one of the scope's threads.
    let (stop_sender, stop_receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        loop {
            sys::await_signal(&ENDING);
            let _ = stop_sender.send(());
        }
    });
    thread::scope(|scope| {
        let workers: Vec<_> = (0..JOBS).map(|_| scope.spawn(|| pool.work(&bin))).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            if stop_receiver.recv_timeout(std::time::Duration::from_millis(50)).is_ok() {
                pool.stop();
            }
        }
    });
    let left = tree::descendants();
    tree::end_all();
    let tally = lock(&pool.tally);
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    ensure!(left.is_empty(), "{} processes were left behind, and have been killed", left.len());
    ensure!(tally.failed == 0 && !tally.is_stopped, "not all cases passed");
    Ok(())
}

/// The cases that wait, those that run, and the results of the others.
#[derive(Default)]
struct Pool {
    waiting: Mutex<VecDeque<(&'static str, &'static Case)>>,
    running: Mutex<Vec<u32>>,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    is_stopped: bool,
}

impl Pool {
    /// Runs one case after another until none waits.
    fn work(&self, bin: &Path) {
        loop {
            let next = lock(&self.waiting).pop_front();
            let Some((kind, case)) = next else { return };
            let name = format!("{kind}/{}", case.name);
            let began = Instant::now();
            let said = self.try_apart(&name, bin).unwrap_or_else(|error| format!("FAIL {error:#}"));
            let (word, detail) = said.trim_end().split_once(' ').unwrap_or((said.trim_end(), ""));
            let colon = if detail.is_empty() { "" } else { ": " };
            let mut tally = lock(&self.tally);
            println!("{word:4} {name} ({:.1} s){colon}{detail}", began.elapsed().as_secs_f64());
            match word {
                "ok" => tally.passed += 1,
                "skip" => tally.skipped += 1,
                _ => tally.failed += 1,
            }
        }
    }

    /// Runs a case in its own process. Returns its output: the verdict, and the reason.
    fn try_apart(&self, name: &str, bin: &Path) -> Result<String> {
        let mut command = Command::new(own_program()?);
        command.arg("__fault").arg(name).arg("--bin").arg(bin).stdin(Stdio::null()).stdout(Stdio::piped());
        // If this process is killed, the case gets a signal, and kills its own processes.
        sys::set_up(&mut command, Setup { parent_death: Some(libc::SIGTERM), ..Setup::default() });
        let mut case = command.spawn().context("cannot start the case")?;
        lock(&self.running).push(case.id());
        let mut said = String::new();
        if let Some(mut stdout) = case.stdout.take() {
            stdout.read_to_string(&mut said)?;
        }
        let status = case.wait()?;
        lock(&self.running).retain(|pid| *pid != case.id());
        ensure!(status.success(), "the case itself exited with {status} and printed {said:?}");
        Ok(said)
    }

    /// Starts no further case, and asks the running ones to exit.
    fn stop(&self) {
        lock(&self.waiting).clear();
        lock(&self.tally).is_stopped = true;
        for pid in lock(&self.running).iter() {
            // It kills everything below it, and then exits.
            let _ = sys::signal(*pid, libc::SIGTERM);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Occupies two processors as long as this process runs.
fn keep_busy() {
    for _ in 0..2 {
        thread::spawn(|| {
            loop {
                std::hint::black_box(0);
            }
        });
    }
}

/// The release build of the program.
fn build() -> Result<PathBuf> {
    process::run(&mut process::cargo(&["build", "--quiet", "--release", "--package", "echoctl"]))?;
    let own = own_program()?;
    let target = own.parent().and_then(Path::parent).context("this program is not in a target directory")?;
    Ok(target.join("release/echoctl"))
}

/// Signals that ask a process to exit.
pub(super) const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Number of cases that run at the same time: most spend their time waiting.
const JOBS: usize = 4;
