//! Upstreams: the servers behind a server, found by its connections.
//!
//! A relay in front of an unbounded server buffers nothing itself. If the upstream's process is visible on this host, its
//! growth since it was found is added. If it is not, the verdict must not rest on memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use echoctl_observe::{Process, ProcessTree, SocketDiag, SocketEntry, holders, sees_files, socket_inodes};

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
        self.hidden |= ours.iter().any(|pid| !sees_files(*pid) && is_running(*pid));
        let own: BTreeSet<u32> = ours.iter().flat_map(|pid| socket_inodes(*pid)).collect();
        let Behind { mut inodes, hidden } = Behind::of(&all, &own, port);
        self.hidden |= hidden;
        if inodes.is_empty() {
            return;
        }
        let others = holders(&inodes).filter(|(pid, _)| !ours.contains(pid) && *pid != std::process::id());
        for (pid, inode) in others.collect::<Vec<_>>() {
            inodes.remove(&inode);
            if let Ok(mut process) = Process::open(pid) {
                let memory = process.memory().map_or(0, |memory| memory.total());
                self.watched.entry(pid).or_insert((process, memory));
            }
        }
        self.hidden |= !inodes.is_empty();
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

    /// Their processes.
    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.watched.values().map(|(process, _)| process)
    }

    /// Their names, for reports.
    pub(super) fn names(&self) -> Vec<String> {
        self.watched
            .values()
            .map(|(process, _)| format!("{} (pid {})", process.name(), process.pid()))
            .collect()
    }
}

/// The sockets behind a server, at the other ends of its connections.
#[derive(Debug, PartialEq, Eq)]
struct Behind {
    /// Those of other processes on this host.
    inodes: BTreeSet<u32>,
    /// Whether there are others, which are not visible.
    hidden: bool,
}

impl Behind {
    /// What is behind a server that listens on `port` and has the sockets `own` open, among `all` sockets of this host.
    fn of(all: &[SocketEntry], own: &BTreeSet<u32>, port: u16) -> Behind {
        let by_ends: BTreeMap<(SocketAddr, SocketAddr), u32> =
            all.iter().map(|found| ((found.local, found.remote), found.inode)).collect();
        let away = all.iter().filter(|found| own.contains(&found.inode) && found.local.port() != port);
        let mut behind = Behind { inodes: BTreeSet::new(), hidden: false };
        for found in away {
            match by_ends.get(&(found.remote, found.local)) {
                // A connection to itself, or one that is not accepted yet or already closed: the next look may find it.
                Some(inode) if own.contains(inode) || *inode == 0 => {}
                Some(inode) => _ = behind.inodes.insert(*inode),
                None => behind.hidden = true,
            }
        }
        behind
    }
}

fn is_running(pid: u32) -> bool {
    Process::open(pid).is_ok()
}

#[cfg(test)]
mod tests {
    use echoctl_observe::TcpState;

    use super::*;

    /// A connection of the process that has `inode` open.
    fn end(inode: u32, local: u16, remote: u16) -> SocketEntry {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        SocketEntry {
            local: at(local),
            remote: at(remote),
            state: TcpState::Established,
            rqueue: 0,
            wqueue: 0,
            uid: 0,
            inode,
            timer: None,
            only_v6: false,
            info: None,
            memory: None,
        }
    }

    /// What is behind a server on port 80 that has the inodes 1 and 2 open.
    fn behind(all: &[SocketEntry]) -> (Vec<u32>, bool) {
        let Behind { inodes, hidden } = Behind::of(all, &BTreeSet::from([1, 2]), 80);
        (inodes.into_iter().collect(), hidden)
    }

    #[test]
    fn a_server_that_only_accepts_has_nothing_behind_it() {
        assert_eq!(behind(&[end(1, 80, 5000), end(9, 5000, 80)]), (vec![], false));
    }

    #[test]
    fn the_other_end_of_a_connection_is_behind_the_server() {
        assert_eq!(behind(&[end(1, 6000, 3306), end(7, 3306, 6000)]), (vec![7], false));
    }

    #[test]
    fn an_end_that_is_not_on_this_host_is_hidden() {
        assert_eq!(behind(&[end(1, 6000, 3306), end(2, 6001, 3306), end(7, 3306, 6001)]), (vec![7], true));
    }

    #[test]
    fn connections_to_itself_and_to_nobody_yet_do_not_count() {
        assert_eq!(behind(&[end(1, 6000, 3306), end(2, 3306, 6000)]), (vec![], false));
        assert_eq!(behind(&[end(1, 6000, 3306), end(0, 3306, 6000)]), (vec![], false));
    }

    #[test]
    fn connections_of_other_processes_do_not_count() {
        assert_eq!(behind(&[end(8, 6000, 3306), end(0, 6001, 3306)]), (vec![], false));
    }
}
