//! The processes of this host and the sockets that they have open, as far as `/proc` shows them.

use std::collections::{BTreeMap, HashMap};

use crate::process::ProcessName;
use crate::{own_uid, pids, sees_other_users, socket_inodes};

/// All processes of this host, and the sockets that each has open.
#[derive(Debug, Default)]
pub(super) struct Owners {
    processes: BTreeMap<u32, ProcessName>,
    /// The processes that have a socket open, in ascending order, by its inode.
    by_inode: HashMap<u32, Vec<u32>>,
    /// The user whose open files are visible; `None`: those of all users are.
    only_of: Option<u32>,
}

impl Owners {
    /// Reads the open files of all processes: 10 to 100 ms.
    pub(super) fn read() -> Owners {
        let only_of = if sees_other_users() { None } else { own_uid() };
        let mut owners = Owners { only_of, ..Owners::default() };
        let mut all: Vec<u32> = pids().collect();
        all.sort_unstable();
        for pid in all {
            let Some(name) = ProcessName::of(pid) else { continue };
            owners.processes.insert(pid, name);
            for inode in socket_inodes(pid) {
                let holders = owners.by_inode.entry(inode).or_default();
                if holders.last() != Some(&pid) {
                    holders.push(pid);
                }
            }
        }
        owners
    }

    /// The processes that have a socket open; empty if none does, or if their files are hidden.
    pub(super) fn of(&self, inode: u32) -> &[u32] {
        self.by_inode.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// The process whose connection it is: of several that have it open, the one that was started last, since a parent passes on
    /// what it has.
    pub(super) fn user_of(&self, inode: u32) -> Option<u32> {
        self.of(inode).last().copied()
    }

    /// Whether the open files of a user's processes are hidden.
    pub(super) fn is_hidden(&self, uid: u32) -> bool {
        self.only_of.is_some_and(|visible| visible != uid)
    }

    /// The name of a process.
    pub(super) fn name(&self, pid: u32) -> &str {
        self.processes.get(&pid).map_or("", |process| &process.name)
    }

    /// Its ancestors, the nearest first.
    pub(super) fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        let parent = |pid: u32| self.processes.get(&pid).map(|process| process.parent);
        // A list that changes while it is read could contain a circle.
        std::iter::successors(parent(pid), move |&pid| parent(pid)).take(MAX_ANCESTORS)
    }
}

/// Generations between a server and the process that serves a connection.
const MAX_ANCESTORS: usize = 16;
