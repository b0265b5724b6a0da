//! Which processes are one node: the workers of one server.

use std::collections::BTreeMap;

use super::links::Link;
use super::listeners::Listeners;
use super::owners::{Owners, ancestors};
use crate::Owner;

/// Groups of processes, each known by one of them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// A process that is in the same group; a process without one is its group's representative.
    same: BTreeMap<u32, u32>,
}

impl Groups {
    /// The process that stands for the group of a process.
    pub(super) fn of(&self, pid: u32) -> u32 {
        std::iter::successors(Some(pid), |pid| self.same.get(pid).copied()).last().unwrap_or(pid)
    }

    /// Unites the groups of two processes. The smallest pid stands for the group.
    fn unite(&mut self, one: u32, other: u32) {
        let (one, other) = (self.of(one), self.of(other));
        if one != other {
            self.same.insert(one.max(other), one.min(other));
        }
    }
}

/// Processes of the same name are one node if they have the same listening socket open, if they listen at the same address
/// (SO_REUSEPORT), or if one serves a connection that its ancestor's socket accepted. The name tells the workers of a server from
/// a service manager that listens for all of them.
pub(super) fn groups(owners: &Owners, listeners: &Listeners, links: &[Link]) -> Groups {
    let mut groups = Groups::default();
    for inodes in listeners.by_address() {
        let mut first: BTreeMap<&str, u32> = BTreeMap::new();
        for Owner { pid, name } in inodes.iter().flat_map(|&inode| owners.of(inode)) {
            groups.unite(*first.entry(name).or_insert(*pid), *pid);
        }
    }
    for link in links {
        let accepted = link.server.1.and_then(|end| owners.of(end.inode).next());
        if let (Some(Owner { pid, name }), Some(listener)) = (accepted, link.listener) {
            let listens =
                |ancestor: &u32| owners.of(listener).any(|one| one.pid == *ancestor && one.name == *name);
            if !listens(pid)
                && let Some(ancestor) = ancestors(*pid).find(listens)
            {
                groups.unite(ancestor, *pid);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn united_processes_have_one_representative() {
        let mut groups = Groups::default();

        for (one, other) in [(7, 9), (5, 9), (20, 21), (9, 7)] {
            groups.unite(one, other);
        }

        assert_eq!([5, 7, 9, 20, 21, 30].map(|pid| groups.of(pid)), [5, 5, 5, 20, 20, 30]);
    }
}
