//! Resolves a port, a pid or an address to listening sockets and the processes that own them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::anyhow;
use echoctl_observe::{Listener, Process, ProcessTree, listener_at, listening_addresses};
use echoctl_record::printable;

use crate::address;
use crate::exit::{Exit, Failure};

/// A server to watch.
#[derive(Debug)]
pub(super) struct Target {
    /// Addresses on which it listens.
    pub(super) addrs: Vec<SocketAddr>,
    /// Its processes, if visible.
    pub(super) pids: Vec<u32>,
    /// Its name and pid, or why they are unknown.
    server: String,
}

impl Target {
    /// Finds the server that `target` names, or the one whose pid is given.
    ///
    /// # Errors
    /// Exit 4 if no server listens there; exit 2 if neither is given, or if `target` is not a port, pid or address.
    pub(super) fn find(target: Option<&str>, pid: Option<u32>) -> Result<Target, Failure> {
        let found = match target {
            Some(text) => match text.parse::<u32>() {
                Ok(number) => Target::numbered(number)?,
                Err(_) => Target::at(text)?,
            },
            None => match pid {
                Some(pid) => Target::of_process(pid)?,
                None => {
                    return Err(Failure::usage(
                        "no target: expected a port, a pid or an address\nhint: give one, or set ECHOCTL_ADDR",
                    ));
                }
            },
        };
        Ok(match pid {
            Some(pid) => Target { pids: vec![pid], server: named(pid)?, ..found },
            None => found,
        })
    }

    /// Addresses and server, in one line.
    pub(super) fn title(&self) -> String {
        format!("{}: {}", self.addresses(), self.server)
    }

    /// Its first three addresses.
    pub(super) fn addresses(&self) -> String {
        let addrs: Vec<String> = self.addrs.iter().take(3).map(SocketAddr::to_string).collect();
        let more = if self.addrs.len() > 3 { " and more" } else { "" };
        format!("{}{more}", addrs.join(", "))
    }

    /// The server at this port, or else the one with this pid.
    fn numbered(number: u32) -> Result<Target, Failure> {
        let at_port = |port| {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            loopback
                .into_iter()
                .find_map(|ip| listener_at(SocketAddr::new(ip, port)).ok())
                .or_else(|| on_any(port))
        };
        if let Some(listener) = u16::try_from(number).ok().filter(|&port| port > 0).and_then(at_port) {
            return Ok(Target::of(&listener));
        }
        Process::open(number).map_err(|_| {
            unreachable(anyhow!("nothing listens at port {number} on this host, and no process has that pid"))
        })?;
        Target::of_process(number)
    }

    /// The first address of `text` that has a listener.
    fn at(text: &str) -> Result<Target, Failure> {
        let mut problems = Vec::new();
        for addr in address::to_connect(text)? {
            match listener_at(addr) {
                Ok(found) => return Ok(Target::of(&found)),
                Err(problem) => problems.push(problem.to_string()),
            }
        }
        Err(unreachable(anyhow!(problems.join("; "))))
    }

    fn of(listener: &Listener) -> Target {
        let server = printable(&listener.to_string()).into_owned();
        Target { addrs: vec![listener.addr], pids: listener.pids().collect(), server }
    }

    /// A process and its descendants.
    fn of_process(pid: u32) -> Result<Target, Failure> {
        let tree = ProcessTree::new([pid]).map_err(unreachable)?;
        let addrs = listening_addresses(tree.members().map(Process::pid))?;
        if addrs.is_empty() {
            return Err(unreachable(anyhow!(
                "process {pid} has no visible listening socket\nhint: give its port as the target"
            )));
        }
        Ok(Target { addrs, pids: vec![pid], server: named(pid)? })
    }
}

/// The listener at this port on an address other than loopback.
fn on_any(port: u16) -> Option<Listener> {
    let listening = echoctl_observe::SocketDiag::open().ok()?.listening().ok()?;
    let addr = listening.iter().find(|found| found.local.port() == port)?.local;
    listener_at(addr).ok()
}

fn named(pid: u32) -> Result<String, Failure> {
    let process = Process::open(pid).map_err(unreachable)?;
    Ok(format!("{} (pid {pid})", printable(process.name())))
}

fn unreachable(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Unreachable, error)
}
