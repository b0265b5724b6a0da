//! The processes of a target: all descendants of its supervisor.

use std::collections::BTreeSet;

use echoctl_observe::{Process, ProcessTree, socket_inodes};

/// The processes below a supervisor, looked up when they are needed.
///
/// Holds no process open. After the supervisor has exited it is still valid, and empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descendants {
    supervisor: u32,
    /// When the supervisor started, which identifies it together with its pid. `None` if it had exited by then.
    started: Option<u64>,
}

impl Descendants {
    /// The descendants of the process `supervisor`; none if it has exited.
    pub fn of(supervisor: u32) -> Descendants {
        let started = Process::open(supervisor).ok().map(|process| process.started());
        Descendants { supervisor, started }
    }

    /// Adds them to a tree, including future ones.
    pub fn add_to(self, tree: &mut ProcessTree) {
        if self.started.is_some() && Descendants::of(self.supervisor) == self {
            // If it exited in between, there are no more.
            let _ = tree.add_below(self.supervisor);
        }
    }

    /// Their current pids.
    pub(super) fn pids(self) -> Vec<u32> {
        let Ok(mut tree) = ProcessTree::new([]) else { return Vec::new() };
        self.add_to(&mut tree);
        tree.members().map(Process::pid).collect()
    }

    /// The inodes of the sockets that they have open.
    pub(super) fn sockets(self) -> BTreeSet<u32> {
        self.pids().into_iter().flat_map(socket_inodes).collect()
    }
}

/// These processes by name and pid.
#[cfg(target_os = "linux")]
pub(super) fn names<'a>(processes: impl IntoIterator<Item = &'a Process>) -> String {
    let names = processes.into_iter().map(|process| format!("{} (pid {})", process.name(), process.pid()));
    names.collect::<Vec<_>>().join(", ")
}
