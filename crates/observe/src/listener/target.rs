//! A server to be watched: where it listens, and its processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Listener, listener_at};
use crate::{Error, Process, ProcessTree, ServerAddr, SocketDiag, SocketTables, is_in_other_namespace};

/// A server on this host, found by a port, an address or a pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Addresses on which it listens; at least one.
    pub addrs: Vec<ServerAddr>,
    /// Its processes, if visible.
    pub pids: Vec<u32>,
    /// Its name and pid, or why they are unknown.
    pub server: String,
    /// The processes in whose network namespaces the addresses are. Empty: in this program's.
    pub elsewhere: Vec<u32>,
}

impl Target {
    /// The server at this port: on loopback, or else on any address.
    ///
    /// # Errors
    /// As [`listener_at`].
    pub fn at_port(port: u16) -> Result<Target, Error> {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let [one, other] = loopback.map(|ip| SocketAddr::new(ip, port));
        let at = |addr: SocketAddr| Target::at(&addr.into());
        at(one).or_else(|error| at(other).map_err(|_| error)).or_else(|error| {
            let listening = SocketDiag::open()?.listening()?;
            let found = listening.iter().find(|found| found.local.port() == port).ok_or(error)?;
            at(found.local)
        })
    }

    /// The server that listens at this address.
    ///
    /// # Errors
    /// As [`listener_at`].
    pub fn at(addr: &ServerAddr) -> Result<Target, Error> {
        let listener: Listener = listener_at(addr)?;
        Ok(Target {
            addrs: vec![listener.addr.clone()],
            pids: listener.pids().collect(),
            server: listener.to_string(),
            elsewhere: Vec::new(),
        })
    }

    /// A process with its descendants, at all addresses at which they listen, in whatever network namespace.
    ///
    /// # Errors
    /// [`Error::NoProcess`]; [`Error::NoListener`] if none of them listens, or visibly so.
    pub fn of_process(pid: u32) -> Result<Target, Error> {
        let tree = ProcessTree::new([pid])?;
        let pids: Vec<u32> = tree.members().map(Process::pid).collect();
        let addrs = SocketTables::of(pids.iter().copied()).listening_addresses(&pids)?;
        if addrs.is_empty() {
            return Err(Error::NoListener { pid });
        }
        let is_elsewhere = pids.iter().any(|pid| is_in_other_namespace(*pid));
        let elsewhere = if is_elsewhere { pids } else { Vec::new() };
        Target { addrs, pids: Vec::new(), server: String::new(), elsewhere }.run_by(pid)
    }

    /// The same addresses, served by this process.
    ///
    /// # Errors
    /// [`Error::NoProcess`].
    pub fn run_by(self, pid: u32) -> Result<Target, Error> {
        let process = Process::open(pid)?;
        Ok(Target { pids: vec![pid], server: format!("{} (pid {pid})", process.name()), ..self })
    }

    /// Where its sockets are looked up.
    pub fn tables(&self) -> SocketTables {
        SocketTables::of(self.elsewhere.iter().copied())
    }
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
            Target::at_port(addr.port()).unwrap().pids == [me]
        });
        let addr = ServerAddr::from(addr);
        assert_eq!(Target::at(&addr).unwrap().addrs, std::slice::from_ref(&addr));
        let found = Target::of_process(me).unwrap();
        assert!(found.addrs.contains(&addr) && found.server.ends_with(&format!("(pid {me})")), "{found:?}");
    }

    #[test]
    fn what_does_not_listen_is_an_error() {
        let (_reserved, free) = echoctl_testkit::closed_addr();

        assert!(matches!(Target::at(&free.into()), Err(Error::NotListening { .. })));
        assert!(matches!(Target::at_port(free.port()), Err(Error::NotListening { .. })));
        assert!(matches!(Target::of_process(u32::MAX - 1), Err(Error::NoProcess { .. })));
    }
}
