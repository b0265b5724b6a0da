//! The target of a watch: text on the command line, as a server of this host.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::anyhow;
use echoctl_observe::{Error, ServerAddr, Target, is_in_other_namespace};
use echoctl_record::printable;

use crate::address;
use crate::exit::{Exit, Failure};

/// Finds the server that `text` names, or the one whose pid is given.
///
/// # Errors
/// Exit 4 if no server listens there; exit 2 if neither is given, or if `text` is not a port, pid or address.
pub(super) fn find(text: Option<&str>, pid: Option<u32>) -> Result<Target, Failure> {
    if let Some((text, pid)) = text.zip(pid)
        && let Some(found) = elsewhere(text, pid)
    {
        return Ok(found);
    }
    if let Some(path) = text.and_then(|text| text.strip_prefix("unix:")) {
        let found = Target::at(&ServerAddr::unix(Path::new(path))).map_err(unreachable)?;
        return pid.map_or(Ok(found.clone()), |pid| found.run_by(pid).map_err(unreachable));
    }
    let found = match (text.map(|text| (text, text.parse::<u32>())), pid) {
        (Some((_, Ok(number))), _) => numbered(number)?,
        (Some((text, Err(_))), _) => at(text)?,
        (None, Some(pid)) => Target::of_process(pid).map_err(without_target)?,
        (None, None) => {
            return Err(Failure::usage(
                "no target: expected a port, a pid or an address\nhint: give one, or set ECHOCTL_ADDR",
            ));
        }
    };
    match pid {
        Some(pid) => found.run_by(pid).map_err(unreachable),
        None => Ok(found),
    }
}

/// The server `pid` in another network namespace, if it listens there at the address or port `text`.
fn elsewhere(text: &str, pid: u32) -> Option<Target> {
    if !is_in_other_namespace(pid) {
        return None;
    }
    let given = address::to_connect(text).ok()?;
    let mut found = Target::of_process(pid).ok()?;
    let is_given = |addr: SocketAddr| {
        let same = |ip: IpAddr| ip.is_loopback() || addr.ip().is_unspecified() || addr.ip() == ip;
        given.iter().any(|given| given.port() == addr.port() && same(given.ip()))
    };
    found.addrs.retain(|addr| addr.tcp().is_some_and(is_given));
    Some(found).filter(|found| !found.addrs.is_empty())
}

/// Addresses and server, in one line.
pub(super) fn title(target: &Target) -> String {
    format!("{}: {}", addresses(target), printable(&target.server))
}

/// Its first three addresses.
pub(super) fn addresses(target: &Target) -> String {
    let addrs: Vec<String> = target.addrs.iter().take(3).map(ServerAddr::to_string).collect();
    let more = if target.addrs.len() > 3 { " and more" } else { "" };
    format!("{}{more}", addrs.join(", "))
}

/// The server at this port, or else the one with this pid.
fn numbered(number: u32) -> Result<Target, Failure> {
    let port = u16::try_from(number).ok().filter(|&port| port > 0);
    if let Some(target) = port.and_then(|port| Target::at_port(port).ok()) {
        return Ok(target);
    }
    Target::of_process(number).map_err(|error| match error {
        Error::NoProcess { .. } => {
            unreachable(anyhow!("nothing listens at port {number} on this host, and no process has that pid"))
        }
        error => without_target(error),
    })
}

/// The first address of `text` that has a listener.
fn at(text: &str) -> Result<Target, Failure> {
    let mut problems = Vec::new();
    for addr in address::to_connect(text)? {
        match Target::at(&addr.into()) {
            Ok(found) => return Ok(found),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    Err(unreachable(anyhow!(problems.join("; "))))
}

/// An error of a pid that was given without an address.
fn without_target(error: Error) -> Failure {
    match error {
        Error::NoListener { .. } => unreachable(anyhow!("{error}\nhint: give its port as the target")),
        error => unreachable(error),
    }
}

fn unreachable(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Unreachable, error)
}
