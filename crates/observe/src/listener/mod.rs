//! Finds what listens at an address: the sockets, their owner, and the processes that have them open.
//!
//! The kernel shows every user all sockets and the user ids of their owners. Only `/proc/PID/fd` shows which process
//! has a socket open, and only that user and root may read it.

mod server_addr;
mod socket;
mod target;
mod unix_queues;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub use server_addr::ServerAddr;
pub use socket::{ListeningSocket, accepting};
pub use target::Target;
pub use unix_queues::UnixQueues;
#[cfg(any(test, fuzzing))]
pub(crate) use users::check;
pub use users::user_name;

use echoctl_record::printable;

use crate::{
    Error, Owner, SocketDiag, SocketEntry, holders, own_uid, owners_text, sees_files, socket_inodes,
};

/// A listening socket and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens: the requested address, or a wildcard (`0.0.0.0`, `[::]`) that covers it.
    pub addr: ServerAddr,
    /// The user id of its owner; `None` if the system does not show it.
    pub uid: Option<u32>,
    /// The processes that have it open, lowest pid first: a server and its workers may share a socket. Empty if they
    /// are not visible, because they belong to another user.
    pub owners: Vec<Owner>,
}

impl Listener {
    /// The pids of its owners.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.owners.iter().map(|owner| owner.pid)
    }

    /// Whether it belongs to a user other than the one who runs this program; `None` if that is not visible.
    pub fn is_of_another_user(&self) -> Option<bool> {
        Some(self.uid? != own_uid()?)
    }
}

/// `redis-server (pid 512)`, or why it is not known.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uid {
            _ if !self.owners.is_empty() => f.write_str(&owners_text(&self.owners)),
            None => write!(f, "process not visible on this system"),
            Some(uid) => {
                let user = user_name(uid).unwrap_or_else(|| format!("uid {uid}"));
                write!(f, "a process of another user ({}), not visible", printable(&user))
            }
        }
    }
}

/// Finds the socket that listens at exactly this address, or else at a wildcard that covers it.
///
/// Takes 20 to 100 ms on a busy host, since it checks the open files of all processes.
///
/// # Errors
/// [`Error::NotListening`]; [`Error::NotVisible`] on a system other than Linux.
pub fn listener_at(addr: &ServerAddr) -> Result<Listener, Error> {
    let mut sockets = accepting(&mut SocketDiag::open()?, addr)?;
    let is_exact = |socket: &ListeningSocket| match (&socket.addr, addr) {
        (ServerAddr::Tcp(local), ServerAddr::Tcp(addr)) => local.ip() == addr.ip().to_canonical(),
        _ => true,
    };
    // The kernel prefers a socket at exactly this address to a wildcard.
    if sockets.iter().any(is_exact) {
        sockets.retain(is_exact);
    }
    let Some(first) = sockets.first() else { return Err(Error::NotListening { addr: addr.clone() }) };
    // With SO_REUSEPORT several sockets, of one user, listen at the same address.
    let at_first = sockets.iter().filter(|socket| socket.addr == first.addr);
    let inodes = at_first.map(|socket| socket.inode).collect();
    Ok(Listener { addr: first.addr.clone(), uid: first.uid, owners: owners(&inodes) })
}

/// All that listens on this host at an address of TCP, sorted by address.
///
/// Takes 20 to 100 ms on a busy host, since it checks the open files of all processes.
///
/// # Errors
/// [`Error::NotVisible`] on a system other than Linux.
pub fn listeners() -> Result<Vec<Listener>, Error> {
    listeners_where(|_| true)
}

/// All of them that listen at such an address.
fn listeners_where(is_such: impl Fn(SocketAddr) -> bool) -> Result<Vec<Listener>, Error> {
    // With SO_REUSEPORT several sockets, of one user, listen at the same address.
    let mut by_addr: BTreeMap<SocketAddr, Vec<SocketEntry>> = BTreeMap::new();
    for socket in SocketDiag::open()?.listening()?.into_iter().filter(|socket| is_such(socket.local)) {
        by_addr.entry(socket.local).or_default().push(socket);
    }
    let inodes = by_addr.values().flatten().map(|socket| socket.inode).collect();
    let mut pids: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (pid, inode) in holders(&inodes) {
        pids.entry(inode).or_default().insert(pid);
    }
    let listener = |(addr, sockets): (SocketAddr, Vec<SocketEntry>)| {
        let pids: BTreeSet<u32> =
            sockets.iter().filter_map(|socket| pids.get(&socket.inode)).flatten().copied().collect();
        Listener {
            addr: addr.into(),
            uid: sockets.first().map(|socket| socket.uid),
            owners: pids.into_iter().filter_map(Owner::of).collect(),
        }
    };
    Ok(by_addr.into_iter().map(listener).collect())
}

/// The path of a Unix-domain socket, whose name is relative to the folder in which its process runs.
pub(crate) fn name_in(pid: u32, name: &Path) -> PathBuf {
    let is_whole = name.is_absolute() || name.as_os_str().as_encoded_bytes().starts_with(&[0]);
    let folder = (!is_whole).then(|| std::fs::read_link(format!("/proc/{pid}/cwd")).ok()).flatten();
    folder.map_or_else(|| name.to_owned(), |folder| folder.join(name))
}

/// The processes that have one of these sockets open, if they are visible.
///
/// A child that is about to run another program has all sockets of its parent until then. It would be taken for a worker, and its exit
/// for the server's: so several processes are looked at again a moment later.
fn owners(inodes: &BTreeSet<u32>) -> Vec<Owner> {
    let mut pids: BTreeSet<u32> = holders(inodes).map(|(pid, _)| pid).collect();
    if pids.len() > 1 {
        thread::sleep(EXEC_TIME);
        pids.retain(|pid| socket_inodes(*pid).any(|inode| inodes.contains(&inode)));
    }
    pids.into_iter().filter_map(Owner::of).collect()
}

/// Whether the open files of other users' processes are visible, and with them the owners of listening sockets and
/// the bytes written to disk. Their memory is visible to every user.
pub fn sees_other_users() -> bool {
    // Process 1 belongs to root, except in some containers, where it belongs to this user and all visible processes
    // do.
    sees_files(1)
}

/// How long a child may take from fork to exec on a busy machine; on an idle one it takes less than a millisecond.
const EXEC_TIME: Duration = Duration::from_millis(30);

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_hidden_owner_is_reported_as_another_user() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 80)).into();
        let hidden = Listener { addr, uid: Some(0), owners: Vec::new() };

        assert_eq!(hidden.to_string(), "a process of another user (root), not visible");
    }
}
