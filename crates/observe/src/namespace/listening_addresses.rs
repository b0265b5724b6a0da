//! The addresses at which processes listen, in whatever network namespaces they are.

use std::collections::{BTreeMap, BTreeSet};

use super::SocketTables;
use crate::listener::name_in;
use crate::{Error, ServerAddr, sees_files, socket_inodes};

impl SocketTables {
    /// The addresses at which these processes of the server listen, sorted, each with those that have its socket open. If their files
    /// are hidden because they belong to another user, and they are in another namespace, those of all processes there, without
    /// the processes.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub(crate) fn listening_addresses(
        &mut self,
        pids: &[u32],
    ) -> Result<BTreeMap<ServerAddr, BTreeSet<u32>>, Error> {
        let mut held: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (inode, pid) in pids.iter().flat_map(|pid| socket_inodes(*pid).map(|inode| (inode, *pid))) {
            held.entry(inode).or_default().insert(pid);
        }
        let is_hidden = !self.is_in_own && !pids.iter().any(|pid| sees_files(*pid));
        let mut addrs: BTreeMap<ServerAddr, BTreeSet<u32>> = BTreeMap::new();
        for socket in self.listening()? {
            let holders = held.get(&socket.inode);
            if is_hidden || holders.is_some() {
                addrs.entry(socket.local.into()).or_default().extend(holders.into_iter().flatten());
            }
        }
        for socket in self.netlinks().flat_map(|diag| diag.unix_listening().unwrap_or_default()) {
            if let Some((holders, name)) = held.get(&socket.inode).zip(socket.name.as_deref()) {
                for pid in holders {
                    addrs.entry(ServerAddr::Unix(name_in(*pid, name))).or_default().insert(*pid);
                }
            }
        }
        Ok(addrs)
    }
}
