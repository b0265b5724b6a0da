//! The processes of a target: all that is below its supervisor, and nothing else.

use echoctl_observe::{Process, ProcessTree};

/// The processes below a supervisor, looked up when they are needed.
///
/// Holds no process open: it stays valid, and names nobody, when the supervisor has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descendants {
    supervisor: u32,
    /// When the supervisor started: with the pid, its identity. `None` if it had ended by then.
    started: Option<u64>,
}

impl Descendants {
    /// Those below the process `supervisor`; none if it has ended.
    pub(crate) fn of(supervisor: u32) -> Descendants {
        let started = Process::open(supervisor).ok().map(|process| process.started());
        Descendants { supervisor, started }
    }

    /// Adds them to a tree, those of the future too.
    pub(crate) fn add_to(self, tree: &mut ProcessTree) {
        if self.started.is_some() && Descendants::of(self.supervisor) == self {
            // It ended in between: there are no more.
            let _ = tree.add_below(self.supervisor);
        }
    }

    /// Their pids now.
    pub(crate) fn pids(self) -> Vec<u32> {
        let Ok(mut tree) = ProcessTree::new([]) else { return Vec::new() };
        self.add_to(&mut tree);
        tree.members().map(Process::pid).collect()
    }
}
