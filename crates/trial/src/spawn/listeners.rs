//! Finds the listening sockets that could accept a connection to an address, and their owners.
//!
//! sock_diag identifies each socket by its inode, and `/proc/PID/fd` shows the processes that have it open. A target is attacked
//! only if every socket that could accept the connection is open in its own processes and in no other. Sockets that share the
//! port by SO_REUSEPORT and wildcard sockets count, because the kernel chooses among them or falls back to them.

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use echoctl_observe::{
    Error, ListeningSocket, Process, ServerAddr, SocketDiag, SocketEntry, accepting, holders, socket_inodes,
    user_name,
};

use super::{Descendants, other_namespaces};

/// The listening sockets of this host. `None` on a system that does not list them.
#[derive(Debug)]
pub struct Listeners(Option<SocketDiag>);

impl Listeners {
    /// Opens the kernel's socket tables.
    ///
    /// # Errors
    /// When Linux does not show them: without them a foreign process cannot be distinguished from a target.
    pub fn open() -> Result<Listeners, Error> {
        match SocketDiag::open() {
            Err(error) if cfg!(target_os = "linux") => Err(error),
            diag => Ok(Listeners(diag.ok())),
        }
    }

    fn all(&mut self) -> Result<Vec<SocketEntry>, Error> {
        self.0.as_mut().map_or(Ok(Vec::new()), SocketDiag::listening)
    }

    /// All sockets that could accept a connection to `addr`.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn accepting(&mut self, addr: &ServerAddr) -> Result<Vec<ListeningSocket>, Error> {
        self.0.as_mut().map_or(Ok(Vec::new()), |diag| accepting(diag, addr))
    }

    /// Whether something listens at `addr` that the system does not show: such an address cannot be bound.
    pub(super) fn has_hidden(&self, addr: &ServerAddr) -> bool {
        let is_in_use = || match addr {
            ServerAddr::Tcp(addr) => {
                TcpListener::bind(addr).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
            }
            ServerAddr::Unix(path) => path.exists(),
        };
        self.0.is_none() && is_in_use()
    }

    /// Whether nothing listens at `port`, on any address.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub(super) fn is_free(&mut self, port: u16) -> Result<bool, Error> {
        Ok(self.all()?.iter().all(|socket| socket.local.port() != port))
    }

    /// Whether the sockets that could accept a connection to `addr` belong to `target`.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn owner(&mut self, addr: &ServerAddr, target: Descendants) -> Result<Owner, Error> {
        for _ in 1..LOOKS {
            match self.look(addr, target)? {
                // A worker may have been forked, or a socket opened, between the look at the processes and that at their files.
                // Only an owner that is found repeatedly is foreign.
                Owner::ForeignListener(_) => thread::sleep(BETWEEN_LOOKS),
                owner => return Ok(owner),
            }
        }
        self.look(addr, target)
    }

    fn look(&mut self, addr: &ServerAddr, target: Descendants) -> Result<Owner, Error> {
        let sockets = self.accepting_or_elsewhere(addr, target)?;
        if sockets.is_empty() {
            let is_hidden = self.has_hidden(addr);
            return Ok(if is_hidden { Owner::Target { inodes: BTreeSet::new() } } else { Owner::NoListener });
        }
        let own = target.pids();
        let held: BTreeSet<u32> = own.iter().flat_map(|pid| socket_inodes(*pid)).collect();
        let inodes: BTreeSet<u32> = sockets.iter().map(|socket| socket.inode).collect();
        // A socket that is also open in another process would be attacked in that process.
        let mut sharing: Vec<(u32, u32)> = holders(&inodes).filter(|(pid, _)| !own.contains(pid)).collect();
        if !sharing.is_empty() {
            // Servers that fork for each connection have new processes at any time, and some have exited by now.
            let later = target.pids();
            sharing.retain(|(pid, _)| !later.contains(pid) && Process::open(*pid).is_ok());
        }
        for socket in &sockets {
            let shared = sharing.iter().find(|(_, inode)| *inode == socket.inode);
            if shared.is_some() || !held.contains(&socket.inode) {
                let process = shared.map(|(pid, _)| *pid);
                return Ok(Owner::ForeignListener(ForeignListener::new(socket, process)));
            }
        }
        Ok(Owner::Target { inodes })
    }

    /// All sockets that could accept a connection to `addr`, in this network namespace or else in those of `target`.
    fn accepting_or_elsewhere(
        &mut self,
        addr: &ServerAddr,
        target: Descendants,
    ) -> Result<Vec<ListeningSocket>, Error> {
        let sockets = self.accepting(addr)?;
        if sockets.is_empty() { other_namespaces::accepting(addr, target) } else { Ok(sockets) }
    }

    /// The processes of `target` that have a socket open which could accept a connection to `addr`; a server and its workers may
    /// share one. Other processes that have it open are not looked for.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn owners(&mut self, addr: &ServerAddr, target: Descendants) -> Result<Vec<u32>, Error> {
        let sockets = self.accepting_or_elsewhere(addr, target)?;
        let inodes: BTreeSet<u32> = sockets.iter().map(|socket| socket.inode).collect();
        let mut pids = target.pids();
        pids.retain(|pid| socket_inodes(*pid).any(|inode| inodes.contains(&inode)));
        Ok(pids)
    }

    /// Where `target` listens, as text, if it does anywhere.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub(super) fn elsewhere(&mut self, target: Descendants) -> Result<Option<String>, Error> {
        if let Some(addr) = self.address_of(target, None)? {
            return Ok(Some(addr.to_string()));
        }
        let held = target.sockets();
        let unix = self.0.as_mut().map_or(Ok(Vec::new()), SocketDiag::unix_listening)?;
        let own = unix.into_iter().find(|socket| held.contains(&socket.inode));
        Ok(own.and_then(|socket| Some(ServerAddr::Unix(socket.name?).to_string())))
    }

    /// The owner of the server's end of a connection, if it is not `target`. Before it is accepted it has no owner.
    pub fn foreign_listener_at(
        &mut self,
        (server, client): (SocketAddr, SocketAddr),
        target: Descendants,
    ) -> Option<ForeignListener> {
        let is_here = self.0.as_mut()?.find(server, client).ok()?.is_some();
        if !is_here && other_namespaces::misses(server, client, target) {
            return Some(ForeignListener { addr: server.into(), uid: None, pid: None, name: None });
        }
        self.foreign_end(target, |diag| Some((&diag.find(server, client).ok()??).into()))
    }

    /// As [`foreign_listener_at`](Listeners::foreign_listener_at), of a connection over the Unix-domain socket at `addr` whose client
    /// has the inode `client`.
    pub fn foreign_peer(
        &mut self,
        addr: &ServerAddr,
        client: u32,
        target: Descendants,
    ) -> Option<ForeignListener> {
        self.foreign_end(target, |diag| {
            let inode = diag.find_unix(client).ok()??.peer;
            let uid = diag.find_unix(inode).ok()??.uid;
            Some(ListeningSocket { addr: addr.clone(), uid, inode })
        })
    }

    /// The owner of the socket that `find` finds, if it has one and that is not `target`.
    fn foreign_end(
        &mut self,
        target: Descendants,
        find: impl Fn(&mut SocketDiag) -> Option<ListeningSocket>,
    ) -> Option<ForeignListener> {
        let mut foreign = None;
        for _ in 0..LOOKS {
            let socket = find(self.0.as_mut()?).filter(|socket| socket.inode != 0)?;
            if target.sockets().contains(&socket.inode) {
                return None;
            }
            foreign = Some(socket);
            thread::sleep(BETWEEN_LOOKS);
        }
        foreign.as_ref().map(ForeignListener::of)
    }

    /// Where `target` listens at `port`, if it does: on loopback if possible. For a wildcard it is the loopback address.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub(super) fn address_of(
        &mut self,
        target: Descendants,
        port: Option<u16>,
    ) -> Result<Option<SocketAddr>, Error> {
        let held = target.sockets();
        let mut own = self.all()?;
        own.retain(|socket| held.contains(&socket.inode));
        let at = own.iter().map(|socket| reachable(socket.local));
        let at = at.filter(|local| port.is_none_or(|port| local.port() == port));
        Ok(at.min_by_key(|local| (!local.ip().is_loopback(), *local)))
    }
}

/// How often an owner is looked up before it counts as foreign.
const LOOKS: u32 = 3;

/// Time between two such look-ups.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The owner of the sockets at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nothing listens there.
    NoListener,
    /// Only the target.
    Target {
        /// The sockets.
        inodes: BTreeSet<u32>,
    },
    /// Another process, which may share the address with the target.
    ForeignListener(ForeignListener),
}

/// A process that listens and is not part of a target, as far as it is visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignListener {
    /// Where it listens.
    pub addr: ServerAddr,
    /// Its user's id; `None` when it is not visible.
    pub uid: Option<u32>,
    /// The process; `None` when it is not visible.
    pub pid: Option<u32>,
    /// The process's name, where visible.
    pub name: Option<String>,
}

impl ForeignListener {
    /// The owner of `socket`: the process `pid`, if it is known.
    fn new(socket: &ListeningSocket, pid: Option<u32>) -> ForeignListener {
        let name = pid.and_then(|pid| Some(Process::open(pid).ok()?.name().to_owned()));
        ForeignListener { addr: socket.addr.clone(), uid: socket.uid, pid, name }
    }

    /// Any owner of `socket`, found by a look at all processes.
    pub fn of(socket: &ListeningSocket) -> ForeignListener {
        ForeignListener::new(socket, holders(&BTreeSet::from([socket.inode])).next().map(|(pid, _)| pid))
    }
}

/// `nginx (pid 7, user root)`
impl fmt::Display for ForeignListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_of = |uid: u32| user_name(uid).unwrap_or_else(|| uid.to_string());
        let user = self.uid.map_or_else(|| "unknown".to_owned(), name_of);
        let name = self.name.as_deref().unwrap_or("a process");
        match self.pid {
            Some(pid) => write!(f, "{name} (pid {pid}, user {user})"),
            None => write!(f, "a process that is not visible here (user {user})"),
        }
    }
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
