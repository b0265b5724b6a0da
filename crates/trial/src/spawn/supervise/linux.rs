//! The supervisor on Linux: finds all descendants by parent, orphans included, and signals them by pidfd.

use std::process::{Child, ExitStatus};

use echoctl_observe::{Process, ProcessTree};

use crate::spawn::descendants::names;
use crate::spawn::sys::{self, Signal};

/// Makes this process a supervisor, with its own session, and the parent of orphans.
pub(super) fn prepare() {
    sys::detach();
    sys::adopt_orphans();
}

/// All descendants of this process.
#[derive(Debug, Clone)]
pub(super) struct Descendants {
    command: u32,
}

impl Descendants {
    /// The descendants, of which `command` is the only one so far.
    pub(super) fn of(command: Child) -> Descendants {
        Descendants { command: command.id() }
    }

    /// Waits until all have exited, adopted orphans included, so that none stays a zombie. `ended` gets the status of the command.
    pub(super) fn wait(&self, ended: impl Fn(ExitStatus)) {
        while let Some((pid, status)) = sys::wait_for_child() {
            if pid == self.command {
                ended(status);
            }
        }
    }

    /// Sends SIGTERM to all of them. Another user's do not get it: the rounds of killing deal with what is left.
    pub(super) fn terminate(&self) {
        for process in tree().iter().flat_map(ProcessTree::members) {
            sys::signal(process, Signal::Terminate);
            if process.is_suspended() {
                // It acts on SIGTERM only now.
                sys::signal(process, Signal::Continue);
            }
        }
    }

    /// Kills all of them. Children come first, because finding them takes least time, and a process that forks and exits
    /// immediately must be found alive. Descendants of a child become children when it exits.
    pub(super) fn kill(&self) {
        let Ok(own) = Process::open(std::process::id()) else { return };
        for process in own.children().into_iter().filter_map(|child| Process::open(child).ok()) {
            sys::signal(&process, Signal::Kill);
        }
        for process in tree().iter().flat_map(ProcessTree::members) {
            sys::signal(process, Signal::Kill);
        }
    }

    /// Those that are running, by name and pid.
    pub(super) fn names(&self) -> String {
        tree().map(|tree| names(tree.members())).unwrap_or_default()
    }
}

fn tree() -> Option<ProcessTree> {
    let mut tree = ProcessTree::new([]).ok()?;
    tree.add_below(std::process::id()).ok()?;
    Some(tree)
}
