//! The processes that have the sockets of the map open, as far as their files are visible.

use crate::{Owner, Process, SocketOwners, own_uid, sees_other_users};

/// The processes of all sockets that are mapped.
#[derive(Debug)]
pub(super) struct Owners {
    sockets: SocketOwners,
    /// The user whose open files are visible; `None`: those of all users are.
    only_of: Option<u32>,
}

impl Owners {
    pub(super) fn new() -> Owners {
        let only_of = if sees_other_users() { None } else { own_uid() };
        Owners { sockets: SocketOwners::default(), only_of }
    }

    /// Looks for the processes of new sockets among these: they are known now, or at a later sample.
    pub(super) fn update(&mut self, inodes: impl IntoIterator<Item = u32>) {
        self.sockets.update(inodes);
    }

    /// The processes that have a socket open, the youngest first: the first one uses it, since a parent passes on what it has.
    pub(super) fn of(&self, inode: u32) -> impl Iterator<Item = &Owner> {
        self.sockets.owners(inode)
    }

    /// Whether a process of any of these is known.
    pub(super) fn knows_any(&self, mut inodes: impl Iterator<Item = u32>) -> bool {
        inodes.any(|inode| self.of(inode).next().is_some())
    }

    /// Whether the process of a socket may be known later.
    pub(super) fn is_pending(&self, inode: u32) -> bool {
        !self.sockets.has_looked_for(inode)
    }

    /// Whether the open files of a user's processes are hidden.
    pub(super) fn is_hidden(&self, uid: u32) -> bool {
        self.only_of.is_some_and(|visible| visible != uid)
    }
}

/// The ancestors of a process, the nearest first.
pub(super) fn ancestors(pid: u32) -> impl Iterator<Item = u32> {
    let parent = |pid: &u32| Process::open(*pid).ok()?.parent().ok();
    // A list that changes while it is read could contain a circle.
    std::iter::successors(parent(&pid), parent).take(MAX_ANCESTORS)
}

/// Generations between a server and the process that serves a connection.
const MAX_ANCESTORS: usize = 16;
