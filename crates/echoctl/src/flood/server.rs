//! The server that is flooded: its processes, as far as they are visible.

use echoctl_observe::{Process, ProcessTree};

use crate::exit::Failure;
use crate::guard::Target;

/// Which processes are watched, and what they are called.
pub(super) struct Server {
    /// The pids that listen, or the one that the user gave.
    pub(super) pids: Vec<u32>,
    /// Name and pid, or why they are not known.
    pub(super) label: String,
    /// They and their children; `None` when they are not visible.
    pub(super) tree: Option<ProcessTree>,
}

impl Server {
    /// Finds the processes: `pid`, or who listens at the target.
    ///
    /// # Errors
    /// Exit 2 when the user gave a pid that is not to be seen.
    pub(super) fn find(target: &Target, pid: Option<u32>) -> Result<Server, Failure> {
        if let Some(pid) = pid {
            let usage = |error| Failure::usage(format_args!("--pid {pid}: {error}"));
            let label = format!("{} (pid {pid})", Process::open(pid).map_err(usage)?.name());
            let tree = ProcessTree::new([pid]).map_err(usage)?;
            return Ok(Server { pids: vec![pid], label, tree: Some(tree) });
        }
        let Some(listener) = &target.listener else {
            let label = "process not visible: give --pid".to_owned();
            return Ok(Server { pids: Vec::new(), label, tree: None });
        };
        let pids: Vec<u32> = listener.pids().collect();
        let tree = if pids.is_empty() { None } else { ProcessTree::new(pids.iter().copied()).ok() };
        Ok(Server { pids, label: listener.to_string(), tree })
    }
}
