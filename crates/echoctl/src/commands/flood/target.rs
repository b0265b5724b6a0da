//! Finds the processes of the flooded server.

use echoctl_observe::{Listener, Process, ProcessTree};
use echoctl_record::printable;

use crate::exit::Failure;

/// Processes whose memory is measured.
pub(super) struct Target {
    /// Pids of the listener, or the one that the user gave.
    pub(super) pids: Vec<u32>,
    /// Name and pid, or why they are unknown.
    pub(super) label: String,
    /// They and their descendants; `None` if not visible.
    pub(super) tree: Option<ProcessTree>,
}

impl Target {
    /// The process that the user gave.
    ///
    /// # Errors
    /// Exit 2 if it is not visible.
    pub(super) fn of_pid(pid: u32) -> Result<Target, Failure> {
        let usage = |error| Failure::usage(format_args!("--pid {pid}: {error}"));
        let label = format!("{} (pid {pid})", printable(Process::open(pid).map_err(usage)?.name()));
        let tree = ProcessTree::new([pid]).map_err(usage)?;
        Ok(Target { pids: vec![pid], label, tree: Some(tree) })
    }

    /// The processes of the listener, if visible.
    pub(super) fn of_listener(listener: Option<&Listener>) -> Target {
        let Some(listener) = listener else {
            let label = "process not visible, try --pid".to_owned();
            return Target { pids: Vec::new(), label, tree: None };
        };
        let pids: Vec<u32> = listener.pids().collect();
        let mut label = printable(&listener.to_string()).into_owned();
        if pids.is_empty() {
            label.push_str(", try --pid");
        }
        let tree = if pids.is_empty() { None } else { ProcessTree::new(pids.iter().copied()).ok() };
        Target { pids, label, tree }
    }
}
