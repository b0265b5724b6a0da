//! The targets of a watch: texts on the command line, as servers of this host.
//!
//! A text is, in this order: `unix:PATH`; a number, which is a port at which something listens or else a pid; an address with a
//! port; the name of a process or of its executable. A name is never looked up as that of a host: for that it needs a port.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::anyhow;
use echoctl_observe::{Error, Owner, ServerAddr, Target, is_in_other_namespace, sees_other_users};
use echoctl_record::printable;

use super::listening;
use crate::address;
use crate::exit::{Exit, Failure};
use crate::output::note;

/// Finds the servers that `texts` name, as one target, or the one whose pid is given.
///
/// # Errors
/// Exit 4 if nothing listens at one of them; exit 2 if neither is given, or if a text is an invalid address.
pub(super) fn find(texts: &[String], pid: Option<u32>) -> Result<Target, Failure> {
    let mut all = None;
    for text in texts {
        let found = match pid.and_then(|pid| elsewhere(text, pid)) {
            Some(found) => found,
            None => one(text)?,
        };
        all = Some(match all {
            Some(others) => Target::and(others, found),
            None => found,
        });
    }
    match (all, pid) {
        (Some(found), Some(pid)) => found.run_by(pid).map_err(unreachable),
        (Some(found), None) => Ok(found),
        (None, Some(pid)) => Target::of_process(pid).map_err(without_target),
        (None, None) => Err(listening::hint(
            Failure::usage("no target: expected a port, an address, a pid or a name"),
            "",
        )),
    }
}

/// The server that a text names.
fn one(text: &str) -> Result<Target, Failure> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Target::at(&ServerAddr::unix(Path::new(path))).map_err(unreachable);
    }
    if let Ok(number) = text.parse::<u32>() {
        return numbered(number);
    }
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.rsplit_once(':') {
        Some((_, port)) if is_digits(port) || text.contains("://") => at(text),
        _ => named(text),
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

/// Servers and addresses, in one line.
pub(super) fn title(target: &Target) -> String {
    let addrs = addresses(target);
    if target.owners.is_empty() { format!("{addrs}: {target}") } else { format!("{target} at {addrs}") }
}

/// Its first three addresses.
pub(super) fn addresses(target: &Target) -> String {
    listening::addresses(target.addrs.iter())
}

/// The servers at this port, or else the one with this pid.
fn numbered(number: u32) -> Result<Target, Failure> {
    let port = u16::try_from(number).ok().filter(|&port| port > 0);
    if let Some(target) = port.and_then(|port| Target::at_port(port).ok()) {
        if let Ok(process) = Target::of_process(number) {
            note(format_args!("{number} is the port of {target}; for {process}, use --pid {number}"));
        }
        return Ok(target);
    }
    Target::of_process(number).map_err(|error| match error {
        Error::NoProcess { .. } => listening::hint(
            unreachable(anyhow!(
                "nothing listens at port {number} on this host, and no process has that pid"
            )),
            "",
        ),
        error => without_target(error),
    })
}

/// What listens at the addresses of `text`.
fn at(text: &str) -> Result<Target, Failure> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for addr in address::to_connect(text)? {
        match Target::at(&addr.into()) {
            Ok(target) => found.push(target),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    found.into_iter().reduce(Target::and).ok_or_else(|| unreachable(anyhow!(problems.join("; "))))
}

/// The processes with this name.
fn named(name: &str) -> Result<Target, Failure> {
    let target = Target::named(name).map_err(|error| without_name(error, name))?;
    // The kernel's name may be only the beginning.
    if !target.owners.iter().any(|owner| owner.name.starts_with(name)) {
        note(format_args!("{} is the executable of {target}", printable(name)));
    }
    Ok(target)
}

/// The error of a name with which nothing is found.
fn without_name(error: Error, name: &str) -> Failure {
    let is_host = name == "localhost" || name.contains('.') || name.parse::<IpAddr>().is_ok();
    let failure = match &error {
        Error::NoListenerNamed { .. } if !sees_other_users() => unreachable(error).hint(
            "the sockets of other users' processes are visible only to root; their ports can be given instead",
        ),
        Error::NoProcessNamed { .. } if is_host => {
            unreachable(error).hint(format_args!("give a host with a port, such as {}:8080", printable(name)))
        }
        Error::NoProcessNamed { .. } => match Owner::of_thread_named(name) {
            Some(owner) => unreachable(error)
                .hint(format_args!("it is the name of a thread of {}", echoctl_observe::owners_text([&owner]))),
            None => unreachable(error),
        },
        _ => unreachable(error),
    };
    listening::hint(failure, name)
}

/// An error of a pid that was given without an address.
fn without_target(error: Error) -> Failure {
    match error {
        Error::NoListener { .. } => unreachable(error).hint("give its port as the target"),
        error => unreachable(error),
    }
}

fn unreachable(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Unreachable, error)
}
