//! The names of clients over Unix-domain sockets, which have no address: their processes.

use std::collections::{BTreeMap, BTreeSet};

use echoctl_observe::{Process, UnixQueues, holders};
use echoctl_record::printable;

/// The names by the inode of the client's socket.
#[derive(Debug, Default)]
pub(super) struct UnixClients(BTreeMap<u32, String>);

impl UnixClients {
    /// Names the clients of these connections that have no name yet, and forgets the others. Takes up to 100 ms on a busy host if
    /// there is a new one.
    pub(super) fn refresh(&mut self, connections: &[UnixQueues]) {
        let now: BTreeSet<u32> = connections.iter().map(|connection| connection.client).collect();
        self.0.retain(|inode, _| now.contains(inode));
        let unknown: BTreeSet<u32> = now.into_iter().filter(|inode| !self.0.contains_key(inode)).collect();
        if unknown.is_empty() {
            return;
        }
        self.0.extend(unknown.iter().map(|inode| (*inode, "not visible here".to_owned())));
        for (pid, inode) in holders(&unknown) {
            if let Ok(process) = Process::open(pid) {
                self.0.insert(inode, format!("{} (pid {pid})", printable(process.name())));
            }
        }
    }

    /// The name of the client of a connection.
    pub(super) fn name(&self, connection: &UnixQueues) -> String {
        self.0.get(&connection.client).cloned().unwrap_or_else(|| "new".to_owned())
    }
}
