//! The server that is flooded: its processes, as far as they are visible.

use echoctl_observe::{Listener, Process, ProcessTree};
use echoctl_record::printable;

use crate::exit::Failure;

/// Which processes are watched, and what they are called.
pub(super) struct Target {
    /// The pids that listen, or the one that the user gave.
    pub(super) pids: Vec<u32>,
    /// Name and pid, or why they are not known.
    pub(super) label: String,
    /// They and their children; `None` when they are not visible.
    pub(super) tree: Option<ProcessTree>,
}

impl Target {
    /// The process that the user gave.
    ///
    /// # Errors
    /// Exit 2 when it is not to be seen.
    pub(super) fn of_pid(pid: u32) -> Result<Target, Failure> {
        let usage = |error| Failure::usage(format_args!("--pid {pid}: {error}"));
        let label = format!("{} (pid {pid})", printable(Process::open(pid).map_err(usage)?.name()));
        let tree = ProcessTree::new([pid]).map_err(usage)?;
        Ok(Target { pids: vec![pid], label, tree: Some(tree) })
    }

    /// Those that listen, where that is visible.
    pub(super) fn of_listener(listener: Option<&Listener>) -> Target {
        let Some(listener) = listener else {
            let label = "process not visible: give --pid".to_owned();
            return Target { pids: Vec::new(), label, tree: None };
        };
        let pids: Vec<u32> = listener.pids().collect();
        let tree = if pids.is_empty() { None } else { ProcessTree::new(pids.iter().copied()).ok() };
        Target { pids, label: printable(&listener.to_string()).into_owned(), tree }
    }
}
