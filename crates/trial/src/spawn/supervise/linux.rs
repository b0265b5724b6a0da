//! The supervisor on Linux: finds all descendants by parent, orphans included, and signals them by pidfd.

use std::io;
use std::process::Child;
use std::sync::mpsc::Sender;
use std::thread;

use echoctl_observe::{Process, ProcessTree};

use super::{Event, Report};
use crate::spawn::sys::{self, Signal};

/// Makes this process a supervisor, with its own session, and the parent of orphans.
pub(super) fn prepare() {
    sys::detach();
    sys::adopt_orphans();
}

/// All descendants of this process.
#[derive(Debug)]
pub(super) struct Descendants;

impl Descendants {
    /// The descendants, of which `command` is the only one so far. `events` receives its exit, and the end of the last one.
    ///
    /// # Errors
    /// When no thread can be started; the command is killed then.
    pub(super) fn new(command: Child, events: Sender<Event>) -> io::Result<Descendants> {
        let leader = command.id();
        // All children are waited for here, adopted orphans included, so that none stays a zombie.
        let waiting = thread::Builder::new().spawn(move || {
            while let Some((pid, status)) = sys::wait_for_child() {
                if pid == leader {
                    let report = Report::Ended { success: status.success(), how: status.to_string() };
                    // The receiver is gone only if this process is about to exit.
                    let _ = events.send(Event::Ended(report));
                }
            }
            let _ = events.send(Event::NoneLeft);
        });
        let mut descendants = Descendants;
        match waiting {
            Ok(_) => Ok(descendants),
            Err(error) => {
                descendants.kill();
                Err(error)
            }
        }
    }

    /// Sends SIGTERM to all of them.
    pub(super) fn terminate(&mut self) {
        for process in tree().iter().flat_map(ProcessTree::members) {
            // It may have exited, or be another user's: the rounds of killing deal with what is left.
            let _ = sys::signal(process, Signal::Terminate);
        }
    }

    /// Kills all of them. Children come first, because finding them takes least time, and a process that forks and exits
    /// immediately must be found alive. Descendants of a child become children when it exits.
    pub(super) fn kill(&mut self) {
        let Ok(own) = Process::open(std::process::id()) else { return };
        for child in own.children() {
            if let Ok(process) = Process::open(child) {
                let _ = sys::signal(&process, Signal::Kill);
            }
        }
        for process in tree().iter().flat_map(ProcessTree::members) {
            let _ = sys::signal(process, Signal::Kill);
        }
    }

    /// Those that are running, by name and pid.
    pub(super) fn names(&mut self) -> String {
        let tree = tree();
        let names = tree.iter().flat_map(ProcessTree::members);
        names
            .map(|process| format!("{} (pid {})", process.name(), process.pid()))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn tree() -> Option<ProcessTree> {
    let mut tree = ProcessTree::new([]).ok()?;
    tree.add_below(std::process::id()).ok()?;
    Some(tree)
}
