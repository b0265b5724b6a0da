//! Upstreams: the servers behind a server, found by its connections.
//!
//! A relay in front of an unbounded server buffers nothing itself. If the upstream's process is visible on this host, its
//! growth since it was found is added. If it is not, the verdict must not rest on memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use echoctl_observe::{Process, ProcessTree, SocketDiag, pids, socket_inodes};

/// The processes behind the server that were found so far.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    watched: BTreeMap<u32, (Process, u64)>,
    /// Whether the server has a connection to a process that is not visible.
    pub(super) hidden: bool,
}

impl Upstreams {
    /// Looks for processes behind those of `tree`, whose own port is `port`.
    pub(super) fn look(&mut self, tree: &ProcessTree, port: u16) {
        let Ok(all) = SocketDiag::open().and_then(|mut diag| diag.connections(0)) else { return };
        let mut ours: BTreeSet<u32> = tree.members().map(Process::pid).collect();
        ours.extend(self.watched.keys());
        // Another user's server may have any connection.
        self.hidden |=
            ours.iter().any(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).is_err() && is_running(*pid));
        let inodes: BTreeSet<u32> = ours.iter().flat_map(|pid| socket_inodes(*pid)).collect();
        let away = all
            .iter()
            .filter(|found| found.inode != 0 && inodes.contains(&found.inode) && found.local.port() != port);
        let ends: Vec<(SocketAddr, SocketAddr)> = away.map(|found| (found.remote, found.local)).collect();
        // The inodes of the other ends that are on this host and are not the server's own.
        let mut wanted = BTreeSet::new();
        let by_ends: BTreeMap<(SocketAddr, SocketAddr), u32> =
            all.iter().map(|found| ((found.local, found.remote), found.inode)).collect();
        for ends in ends {
            match by_ends.get(&ends) {
                Some(inode) if inodes.contains(inode) => {}
                // Not accepted yet, or already closed: the next look may find it.
                Some(0) => {}
                Some(&inode) => _ = wanted.insert(inode),
                None => self.hidden = true,
            }
        }
        if wanted.is_empty() {
            return;
        }
        for pid in pids().filter(|pid| !ours.contains(pid) && *pid != std::process::id()) {
            let held: Vec<u32> = socket_inodes(pid).filter(|inode| wanted.contains(inode)).collect();
            if held.is_empty() {
                continue;
            }
            for inode in held {
                wanted.remove(&inode);
            }
            if let Ok(mut process) = Process::open(pid) {
                let memory = process.memory().map_or(0, |memory| memory.total());
                self.watched.insert(pid, (process, memory));
            }
        }
        self.hidden |= !wanted.is_empty();
    }

    /// Whether none was found.
    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Their growth since they were found, in total.
    pub(super) fn growth(&mut self) -> u64 {
        self.watched
            .values_mut()
            .map(|(process, base)| process.memory().map_or(0, |memory| memory.total().saturating_sub(*base)))
            .sum()
    }

    /// Their names, for reports.
    pub(super) fn names(&self) -> Vec<String> {
        self.watched
            .values()
            .map(|(process, _)| format!("{} (pid {})", process.name(), process.pid()))
            .collect()
    }
}

fn is_running(pid: u32) -> bool {
    Process::open(pid).is_ok()
}
