//! Which connections of a host are followed.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::listeners::Listeners;
use crate::endpoint::{PortFilter, V4, covers};
use crate::namespace::Dumped;
use crate::{Process, ProcessTree, ServerAddr, TcpState, socket_inodes};

/// Which connections a [`ConnectionTracker`](crate::ConnectionTracker) follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those to any of these addresses. A wildcard covers every address of its port: `0.0.0.0` those of IPv4, `[::]` all.
    Served(Vec<ServerAddr>),
    /// Those over TCP to anything that listens, as it comes and goes.
    AllServed,
    /// Those that these processes, or the tracker's, have opened. The process's end then stands where the server's end stands, and
    /// its peer's where the client's stands: what the rules say of the server holds for the process.
    Opened(Vec<u32>),
}

/// A selection, with what it remembers.
#[derive(Debug)]
pub(super) enum Selected {
    Served(Vec<SocketAddr>),
    AllServed,
    Opened(Opener),
}

/// The sockets of the processes whose opened connections are followed.
#[derive(Debug)]
pub(super) struct Opener {
    pids: Vec<u32>,
    /// The inodes of all sockets that they have open.
    inodes: HashSet<u32>,
    /// Those of other processes' sockets, as far as known.
    others: HashSet<u32>,
    /// When both were last looked up.
    listed: Option<Instant>,
}

impl Selected {
    pub(super) fn new(selection: &Selection) -> Selected {
        match selection {
            Selection::Served(addrs) => Selected::Served(addrs.iter().filter_map(ServerAddr::tcp).collect()),
            Selection::AllServed => Selected::AllServed,
            Selection::Opened(pids) => Selected::Opened(Opener {
                pids: pids.clone(),
                inodes: HashSet::new(),
                others: HashSet::new(),
                listed: None,
            }),
        }
    }

    /// The sockets among which the selected ones and their peers are.
    pub(super) fn filter(&self) -> PortFilter {
        match self {
            Selected::Served(addrs) => PortFilter::of(addrs.iter().map(SocketAddr::port)),
            Selected::AllServed | Selected::Opened(_) => PortFilter::all(),
        }
    }

    /// Whether a listening socket is watched.
    pub(super) fn listens(&self, dumped: Dumped<'_>) -> bool {
        dumped.is_servers
            && match self {
                Selected::Served(_) => self.serves(dumped.socket.local),
                Selected::AllServed => true,
                Selected::Opened(_) => false,
            }
    }

    /// Whether a socket that is not listening is the watched end of a selected connection, and not its peer.
    pub(super) fn includes(&self, dumped: Dumped<'_>, listeners: &Listeners) -> bool {
        let (namespace, socket) = (dumped.namespace, dumped.socket);
        dumped.is_servers
            && match self {
                Selected::Served(_) => self.serves(socket.local),
                Selected::AllServed => listeners.accepting(namespace, socket.local).is_some(),
                Selected::Opened(opener) => {
                    opener.inodes.contains(&socket.inode)
                        && socket.state != TcpState::SynReceived
                        && listeners.accepting(namespace, socket.local).is_none()
                }
            }
    }

    /// Looks up the open sockets of the processes again, if a dump contains one of which that is not known.
    pub(super) fn renew<'a>(
        &mut self,
        dump: impl Iterator<Item = Dumped<'a>>,
        tree: Option<&ProcessTree>,
        now: Instant,
    ) {
        let Selected::Opened(opener) = self else { return };
        let is_recent = |at: Instant| now.saturating_duration_since(at) < LIST_INTERVAL;
        if opener.listed.is_some_and(is_recent) {
            return;
        }
        let inodes: HashSet<u32> = dump.map(|dumped| dumped.socket.inode).collect();
        if inodes.iter().all(|inode| opener.inodes.contains(inode) || opener.others.contains(inode)) {
            return;
        }
        let members = tree.into_iter().flat_map(ProcessTree::members).map(Process::pid);
        let pids: HashSet<u32> = opener.pids.iter().copied().chain(members).collect();
        opener.inodes = pids.into_iter().flat_map(socket_inodes).collect();
        opener.others = &inodes - &opener.inodes;
        opener.listed = Some(now);
    }

    fn serves(&self, local: SocketAddr) -> bool {
        match self {
            Selected::Served(addrs) => addrs.iter().any(|&addr| covers(addr, V4::Accepted, local)),
            Selected::AllServed | Selected::Opened(_) => false,
        }
    }
}

/// Minimum time between two readings of the processes' open files: those of one with ten thousand sockets take 20 ms.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
