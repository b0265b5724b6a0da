//! Listening sockets: which of them could take a connection to an address, and whose they are.
//!
//! sock_diag names each socket by its inode, and `/proc/PID/fd` the processes that hold it. A target is attacked only when
//! every socket that could take the connection is held by its own processes and by no other: siblings by SO_REUSEPORT and
//! wildcards count, since the kernel chooses among them, or falls back to them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use echoctl_observe::{Error, Process, SocketDiag, SocketEntry, pids, socket_inodes, user_name};

use crate::descendants::Descendants;

/// The listening sockets of this host.
#[derive(Debug)]
pub(crate) struct Listeners(SocketDiag);

impl Listeners {
    /// Opens the kernel's socket tables.
    ///
    /// # Errors
    /// Where the system does not show them.
    pub(crate) fn open() -> Result<Listeners, Error> {
        SocketDiag::open().map(Listeners)
    }

    /// All sockets that could take a connection to `addr`.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub(crate) fn accepting(&mut self, addr: SocketAddr) -> Result<Vec<SocketEntry>, Error> {
        let all = self.0.listening()?;
        Ok(all.into_iter().filter(|socket| accepts(socket, addr)).collect())
    }

    /// Whether nothing listens at `port`, on any address.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub(crate) fn is_free(&mut self, port: u16) -> Result<bool, Error> {
        Ok(self.0.listening()?.iter().all(|socket| socket.local.port() != port))
    }

    /// Who holds the sockets that could take a connection to `addr`, as `target` is concerned.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub(crate) fn owner(&mut self, addr: SocketAddr, target: Descendants) -> Result<Owner, Error> {
        let mut looks = 1;
        loop {
            match self.look(addr, target)? {
                // A worker may have been forked, or a socket opened, between the look at the processes and that at their
                // files: only what stays is a stranger's.
                Owner::ForeignListener(_) if looks < LOOKS => thread::sleep(BETWEEN_LOOKS),
                holding => return Ok(holding),
            }
            looks += 1;
        }
    }

    fn look(&mut self, addr: SocketAddr, target: Descendants) -> Result<Owner, Error> {
        let sockets = self.accepting(addr)?;
        if sockets.is_empty() {
            return Ok(Owner::NoListener);
        }
        let own = target.pids();
        let held: BTreeSet<u32> = own.iter().flat_map(|pid| socket_inodes(*pid)).collect();
        let inodes: BTreeSet<u32> = sockets.iter().map(|socket| socket.inode).collect();
        // A socket that a process outside shares would be attacked in that process.
        let outside = pids().filter(|pid| !own.contains(pid));
        let mut sharing: Vec<(u32, u32)> = outside
            .flat_map(|pid| socket_inodes(pid).map(move |inode| (inode, pid)))
            .filter(|(inode, _)| inodes.contains(inode))
            .collect();
        if !sharing.is_empty() {
            // Servers that fork for each connection have new processes at any time, some of which have ended by now.
            let later = target.pids();
            sharing.retain(|(_, pid)| !later.contains(pid) && Process::open(*pid).is_ok());
        }
        for socket in &sockets {
            let shared = sharing.iter().find(|(inode, _)| *inode == socket.inode);
            if shared.is_some() || !held.contains(&socket.inode) {
                let process = shared.map(|(_, pid)| *pid);
                return Ok(Owner::ForeignListener(ForeignListener::new(socket, process)));
            }
        }
        Ok(Owner::Target { inodes })
    }

    /// The processes of `target` that hold a socket which could take a connection to `addr`: a server and its workers may share
    /// one. Others that hold it as well are not looked for.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub(crate) fn holders(&mut self, addr: SocketAddr, target: Descendants) -> Result<Vec<u32>, Error> {
        let inodes: BTreeSet<u32> = self.accepting(addr)?.iter().map(|socket| socket.inode).collect();
        Ok(holding_any(target.pids(), &inodes))
    }

    /// Who holds the socket at the server's end of a connection, if it is not `target`. Nobody does before it is accepted.
    pub(crate) fn foreign_listener_at(
        &mut self,
        (server, client): (SocketAddr, SocketAddr),
        target: Descendants,
    ) -> Option<ForeignListener> {
        let mut looks = 1;
        loop {
            let socket = self.0.find(server, client).ok().flatten().filter(|socket| socket.inode != 0)?;
            if target.pids().into_iter().flat_map(socket_inodes).any(|inode| inode == socket.inode) {
                return None;
            }
            if looks == LOOKS {
                return Some(ForeignListener::of(&socket));
            }
            looks += 1;
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Where `target` listens at `port`, if it does: on loopback if possible. Wildcards stand for the loopback address.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub(crate) fn address_of(
        &mut self,
        target: Descendants,
        port: Option<u16>,
    ) -> Result<Option<SocketAddr>, Error> {
        let held: BTreeSet<u32> = target.pids().into_iter().flat_map(socket_inodes).collect();
        let all = self.0.listening()?;
        let own = all.iter().filter(|socket| held.contains(&socket.inode));
        let at = own.map(|socket| socket.local).filter(|local| port.is_none_or(|port| local.port() == port));
        Ok(at.map(reachable).min_by_key(|local| (!local.ip().is_loopback(), *local)))
    }
}

/// Looks before somebody is called a listener, …
const LOOKS: u32 = 3;

/// … and the time between them.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Who holds the sockets at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nothing listens there.
    NoListener,
    /// The target, and nobody else.
    Target {
        /// The sockets.
        inodes: BTreeSet<u32>,
    },
    /// Somebody else, alone or beside the target.
    ForeignListener(ForeignListener),
}

/// Somebody who listens and is not part of a target, as far as that is visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignListener {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its user's id.
    pub uid: u32,
    /// The process; `None` when it is not visible.
    pub pid: Option<u32>,
    /// The process's name, where visible.
    pub name: Option<String>,
}

impl ForeignListener {
    /// The holder of `socket`, which is the process `pid`, if that is known.
    fn new(socket: &SocketEntry, pid: Option<u32>) -> ForeignListener {
        let name = pid.and_then(|pid| Some(Process::open(pid).ok()?.name().to_owned()));
        ForeignListener { addr: socket.local, uid: socket.uid, pid, name }
    }

    /// Any holder of `socket`, by a look at all processes.
    pub(crate) fn of(socket: &SocketEntry) -> ForeignListener {
        ForeignListener::new(
            socket,
            pids().find(|pid| socket_inodes(*pid).any(|inode| inode == socket.inode)),
        )
    }
}

/// `nginx (pid 7, user root)`
impl fmt::Display for ForeignListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = user_name(self.uid).unwrap_or_else(|| self.uid.to_string());
        let name = self.name.as_deref().unwrap_or("a process");
        match self.pid {
            Some(pid) => write!(f, "{name} (pid {pid}, user {user})"),
            None => write!(f, "a process that is not visible here (user {user})"),
        }
    }
}

/// Whether a listening socket takes connections to `addr`.
fn accepts(socket: &SocketEntry, addr: SocketAddr) -> bool {
    let (bound, wanted) = (socket.local.ip().to_canonical(), addr.ip().to_canonical());
    let is_any = bound.is_unspecified()
        && (bound.is_ipv4() == wanted.is_ipv4() || (bound.is_ipv6() && !socket.only_v6));
    // To connect to a wildcard is to connect to loopback, and what listens there.
    let is_same = bound == wanted || (wanted.is_unspecified() && bound.is_loopback());
    socket.local.port() == addr.port() && (is_same || is_any)
}

/// Those of `pids` that hold one of the sockets.
fn holding_any(pids: Vec<u32>, inodes: &BTreeSet<u32>) -> Vec<u32> {
    let holds = |pid: &u32| socket_inodes(*pid).any(|inode| inodes.contains(&inode));
    pids.into_iter().filter(holds).collect()
}

/// An address at which a listening socket can be reached.
fn reachable(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return local,
    };
    SocketAddr::new(ip, local.port())
}
