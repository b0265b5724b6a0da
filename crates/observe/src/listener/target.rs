//! A server to be watched: where it listens, and its processes.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use super::{Listener, listener_at, listeners_where};
use crate::process::process_of;
use crate::{
    Error, Owner, Process, ProcessTree, ServerAddr, SocketTables, is_in_other_namespace, owners_text,
};

/// A server on this host, found by a port, an address, a pid or a name; or several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Addresses on which it listens; none of a process whose connections to others are meant.
    pub addrs: Vec<ServerAddr>,
    /// Its processes, if visible.
    pub owners: Vec<Owner>,
    /// Why those at an address are unknown, for each reason.
    pub hidden: Vec<String>,
    /// The processes in whose network namespaces the addresses are. Empty: in this program's.
    pub elsewhere: Vec<u32>,
}

impl Target {
    /// Whatever listens at this port, on any address of this host.
    ///
    /// # Errors
    /// As [`listener_at`].
    pub fn at_port(port: u16) -> Result<Target, Error> {
        let found = listeners_where(|addr| addr.port() == port)?.into_iter().map(Target::from);
        let nothing = || Error::NotListening { addr: SocketAddr::new(crate::loopback(), port).into() };
        found.reduce(Target::and).ok_or_else(nothing)
    }

    /// The server that listens at this address.
    ///
    /// # Errors
    /// As [`listener_at`].
    pub fn at(addr: &ServerAddr) -> Result<Target, Error> {
        listener_at(addr).map(Target::from)
    }

    /// A process with its descendants, at all addresses at which they listen, in whatever network namespace. A thread stands for its
    /// process.
    ///
    /// # Errors
    /// [`Error::NoProcess`]; [`Error::NoListener`] if none of them listens, or visibly so.
    pub fn of_process(pid: u32) -> Result<Target, Error> {
        let pid = process_of(pid);
        let tree = ProcessTree::new([pid])?;
        let pids: Vec<u32> = tree.members().map(Process::pid).collect();
        let listening = SocketTables::of(pids.iter().copied()).listening_addresses(&pids)?;
        if listening.is_empty() {
            return Err(Error::NoListener { pid });
        }
        let addrs = listening.into_keys().collect();
        Target { addrs, elsewhere: those_elsewhere(pids), ..Target::default() }.run_by(pid)
    }

    /// All processes with this name that listen, at all addresses at which they do, in whatever network namespaces. The name is that
    /// of the process or of its executable.
    ///
    /// # Errors
    /// [`Error::NoProcessNamed`]; [`Error::NoListenerNamed`] if none of them listens, or visibly so.
    pub fn named(name: &str) -> Result<Target, Error> {
        let processes = Owner::named(name);
        if processes.is_empty() {
            return Err(Error::NoProcessNamed { name: name.to_owned() });
        }
        let pids: Vec<u32> = processes.iter().map(|process| process.pid).collect();
        let listening = SocketTables::of(pids.iter().copied()).listening_addresses(&pids)?;
        if listening.is_empty() {
            return Err(Error::NoListenerNamed { processes });
        }
        let those: BTreeSet<u32> = listening.values().flatten().copied().collect();
        let mut owners = processes;
        // The files of processes in another namespace may be hidden: any of them may be the one that listens.
        owners.retain(|owner| those.is_empty() || those.contains(&owner.pid));
        let elsewhere = those_elsewhere(owners.iter().map(|owner| owner.pid).collect());
        Ok(Target { addrs: listening.into_keys().collect(), owners, hidden: Vec::new(), elsewhere })
    }

    /// These processes, wherever they listen or do not: for the connections that they open.
    pub fn running(owners: Vec<Owner>) -> Target {
        let elsewhere = those_elsewhere(owners.iter().map(|owner| owner.pid).collect());
        Target { owners, elsewhere, ..Target::default() }
    }

    /// The process with this pid, wherever it listens or does not. A thread stands for its process.
    ///
    /// # Errors
    /// [`Error::NoProcess`].
    pub fn running_as(pid: u32) -> Result<Target, Error> {
        let pid = process_of(pid);
        Owner::of(pid).map(|owner| Target::running(vec![owner])).ok_or(Error::NoProcess { pid })
    }

    /// The same addresses, served by this process.
    ///
    /// # Errors
    /// [`Error::NoProcess`].
    pub fn run_by(self, pid: u32) -> Result<Target, Error> {
        let owner = Owner::of(pid).ok_or(Error::NoProcess { pid })?;
        Ok(Target { owners: vec![owner], hidden: Vec::new(), ..self })
    }

    /// Both servers, as one.
    pub fn and(mut self, other: Target) -> Target {
        // The sockets of this program's namespace are among those of its own process.
        let this = || vec![std::process::id()];
        self.elsewhere = match (self.elsewhere.is_empty(), other.elsewhere.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => [this(), other.elsewhere].concat(),
            (false, true) => [self.elsewhere, this()].concat(),
            (false, false) => [self.elsewhere, other.elsewhere].concat(),
        };
        self.addrs = union(self.addrs, other.addrs);
        self.owners = union(self.owners, other.owners);
        self.hidden = union(self.hidden, other.hidden);
        self
    }

    /// The pids of its processes, if visible.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.owners.iter().map(|owner| owner.pid)
    }

    /// Where its sockets are looked up.
    pub fn tables(&self) -> SocketTables {
        SocketTables::of(self.elsewhere.iter().copied())
    }
}

/// Its processes, or why they are not known: `nginx (pid 12, 13), a process of another user (root), not visible`
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visible = Some(owners_text(&self.owners)).filter(|text| !text.is_empty());
        f.write_str(&visible.into_iter().chain(self.hidden.iter().cloned()).collect::<Vec<_>>().join(", "))
    }
}

impl From<Listener> for Target {
    fn from(listener: Listener) -> Target {
        let hidden = listener.owners.is_empty().then(|| listener.to_string());
        Target {
            addrs: vec![listener.addr],
            owners: listener.owners,
            hidden: hidden.into_iter().collect(),
            elsewhere: Vec::new(),
        }
    }
}

/// All of them if one is in another namespace than this program; otherwise none.
fn those_elsewhere(pids: Vec<u32>) -> Vec<u32> {
    let is_elsewhere = pids.iter().any(|pid| is_in_other_namespace(*pid));
    if is_elsewhere { pids } else { Vec::new() }
}

/// Each once, in this order.
fn union<T: PartialEq>(mut all: Vec<T>, more: Vec<T>) -> Vec<T> {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_is_found_by_its_port_its_address_and_its_pid() {
        let listener = TcpListener::bind((crate::loopback(), 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let me = std::process::id();

        // A child of another test inherits the listener until it runs its program.
        echoctl_testkit::eventually("only this process has it open", || {
            Target::at_port(addr.port()).unwrap().pids().eq([me])
        });
        let addr = ServerAddr::from(addr);
        assert_eq!(Target::at(&addr).unwrap().addrs, std::slice::from_ref(&addr));
        let found = Target::of_process(me).unwrap();
        assert!(
            found.addrs.contains(&addr) && found.to_string().ends_with(&format!("(pid {me})")),
            "{found:?}"
        );
    }

    #[test]
    fn a_thread_stands_for_its_process() {
        let _listener = TcpListener::bind((crate::loopback(), 0)).unwrap();
        let (number, numbers) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let link = std::fs::read_link("/proc/thread-self").unwrap();
            number.send(link.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap()).unwrap();
            let _ = ends.recv();
        });

        let found = Target::of_process(numbers.recv().unwrap()).unwrap();

        assert!(found.pids().eq([std::process::id()]), "{found:?}");
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn what_does_not_listen_is_an_error() {
        let (_reserved, free) = echoctl_testkit::closed_addr();

        assert!(matches!(Target::at(&free.into()), Err(Error::NotListening { .. })));
        assert!(matches!(Target::at_port(free.port()), Err(Error::NotListening { .. })));
        assert!(matches!(Target::of_process(u32::MAX - 1), Err(Error::NoProcess { .. })));
        assert!(matches!(Target::named("no such process"), Err(Error::NoProcessNamed { .. })));
    }

    #[test]
    fn two_servers_are_watched_as_one() {
        let owner = |pid: u32, name: &str| Owner { pid, name: name.to_owned() };
        let addr = |port: u16| ServerAddr::from(SocketAddr::from(([127, 0, 0, 1], port)));
        let one = Target { addrs: vec![addr(1), addr(2)], owners: vec![owner(7, "a")], ..Target::default() };
        let other = Target {
            addrs: vec![addr(2), addr(3)],
            owners: vec![owner(7, "a"), owner(8, "b")],
            hidden: vec!["a process of another user (root), not visible".to_owned()],
            elsewhere: vec![8],
        };

        let both = one.clone().and(other);

        assert_eq!(both.addrs, [addr(1), addr(2), addr(3)]);
        assert_eq!(both.to_string(), "a (pid 7), b (pid 8), a process of another user (root), not visible");
        assert_eq!(both.elsewhere, [std::process::id(), 8], "its own addresses are not elsewhere");
        assert_eq!(one.clone().and(one.clone()), one);
    }
}
