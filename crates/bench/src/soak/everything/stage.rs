//! One round, as its actors see it: whether it is over, what to start, and where to report.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

/// What the actors of a round share.
pub(super) struct Stage<'a> {
    program: &'a Path,
    scratch: &'a Path,
    book: &'a Mutex<Book>,
    round: usize,
    is_over: Mutex<bool>,
    over: Condvar,
}

/// What the actors of all rounds have done.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// How often each thing was done.
    pub(super) done: BTreeMap<String, u64>,
    /// What was wrong: all of it, and the first few causes.
    pub(super) wrong: u64,
    pub(super) first_wrongs: Vec<String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        program: &'a Path,
        scratch: &'a Path,
        book: &'a Mutex<Book>,
        round: usize,
    ) -> Stage<'a> {
        Stage { program, scratch, book, round, is_over: Mutex::new(false), over: Condvar::new() }
    }

    /// A command of echoctl whose temporary files are found afterwards.
    pub(super) fn echoctl(&self) -> Command {
        echoctl(self.program, self.scratch)
    }

    /// The path of echoctl.
    pub(super) fn program(&self) -> &Path {
        self.program
    }

    /// The folder for files.
    pub(super) fn scratch(&self) -> &Path {
        self.scratch
    }

    /// The number of the round: actors begin each with something else, so that short rounds have a part of everything.
    pub(super) fn round(&self) -> usize {
        self.round
    }

    /// Waits for `time`, or for the end of the round. Returns whether it is over.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.wait_timeout_while(is_over, time, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether the round is over.
    pub(super) fn is_over(&self) -> bool {
        self.pause(Duration::ZERO)
    }

    /// Ends the round.
    pub(super) fn end(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.notify_all();
    }

    /// Counts something that was done, or records what was wrong with it.
    pub(super) fn report(&self, what: &str, result: Result<()>) {
        let mut book = self.book();
        match result {
            Ok(()) => book.count(what, 1),
            Err(error) => book.wrong(1, || format!("{what}: {error:#}")),
        }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    pub(super) fn count(&mut self, what: &str, times: u64) {
        *self.done.entry(what.to_owned()).or_default() += times;
    }

    pub(super) fn wrong(&mut self, times: u64, cause: impl FnOnce() -> String) {
        self.wrong += times;
        if self.first_wrongs.len() < MAX_CAUSES {
            let cause = cause();
            // At once: a run of half an hour may be ended for it.
            println!("wrong: {cause}");
            self.first_wrongs.push(cause);
        }
    }
}

/// A command of echoctl whose temporary files are in `scratch`.
pub(super) fn echoctl(program: &Path, scratch: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("TMPDIR", scratch).env_remove("ECHOCTL_ADDR");
    command
}

/// Number of stored causes.
const MAX_CAUSES: usize = 20;
