//! Linux: everything below this process, found by parent, orphans included; signals by pidfd.

use std::io;
use std::process::Child;
use std::sync::mpsc::Sender;
use std::thread;

use echoctl_observe::{Process, ProcessTree};

use super::{Event, Report};
use crate::sys::{self, Signal};

/// Makes this process a supervisor: alone in its session, and the parent of orphans.
pub(super) fn prepare() {
    sys::detach();
    sys::adopt_orphans();
}

/// All processes below this one.
#[derive(Debug)]
pub(super) struct Descendants;

impl Descendants {
    /// The descendants, of which `command` is the only one yet. `events` is told how that ends, and when none is left.
    ///
    /// # Errors
    /// When no thread can be started; the command is killed then.
    pub(super) fn new(command: Child, events: Sender<Event>) -> io::Result<Descendants> {
        let leader = command.id();
        // All children are waited for here, orphans that were adopted too: none stays as a zombie.
        let waiting = thread::Builder::new().spawn(move || {
            while let Some((pid, status)) = sys::wait_for_child() {
                if pid == leader {
                    let report = Report::Ended { success: status.success(), how: status.to_string() };
                    // Nobody waits for it any more only when this process is about to end.
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

    /// Asks all of them to end.
    pub(super) fn terminate(&mut self) {
        for process in tree().iter().flat_map(ProcessTree::members) {
            // One that has ended, or is another user's: what is left is dealt with afterwards.
            let _ = sys::signal(process, Signal::Terminate);
        }
    }

    /// Kills all of them. The children come first: finding those takes least time, and one that forks and ends at once must
    /// be met while it lives. Whoever is below a child becomes one when that counters.
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

    /// Those that run, by name and pid.
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
