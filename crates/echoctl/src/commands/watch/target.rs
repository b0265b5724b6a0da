//! The targets of a watch: texts on the command line, as servers of this host.
//!
//! A text is, in this order: `unix:PATH`; a number, which is a port at which something listens or else a pid; an address with a
//! port; the name of a process or of its executable. A name is never looked up as that of a host: for that it needs a port. Where the
//! connections are meant that a process has opened, a port or an address stands for the process that listens there.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::anyhow;
use echoctl_observe::{
    Error, Owner, ServerAddr, Target, is_in_other_namespace, owners_text, sees_files, sees_other_users,
};
use echoctl_record::{Roles, printable};

use super::listening;
use crate::address;
use crate::exit::{Exit, Failure};
use crate::output::note;

/// Finds the servers that `texts` name, or the one whose pid is given, as one target; or, for the connections that they have opened,
/// those processes, which need not listen.
///
/// # Errors
/// Exit 4 if one of them is not found; exit 3 if sockets are to be found by their process and are not visible; exit 2 if nothing is
/// given, or if a text is an invalid address.
pub(super) fn find(texts: &[String], pid: Option<u32>, roles: Roles) -> Result<Target, Failure> {
    let found = texts.iter().map(|text| match pid.and_then(|pid| elsewhere(text, pid)) {
        Some(found) => Ok(found),
        None => one(text, roles),
    });
    let found = found.collect::<Result<Vec<Target>, Failure>>()?.into_iter().reduce(Target::and);
    let target = match (found, pid) {
        (Some(found), Some(pid)) => found.run_by(pid).map_err(unreachable)?,
        (Some(found), None) => found,
        (None, Some(pid)) => of_process(pid, roles)?,
        (None, None) => {
            let error = Failure::usage("no target: expected a port, an address, a pid or a name");
            return Err(listening::hint(error, ""));
        }
    };
    match roles {
        Roles::Served => Ok(target),
        Roles::Opened => openers(target),
    }
}

/// What a text names.
fn one(text: &str, roles: Roles) -> Result<Target, Failure> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Target::at(&ServerAddr::unix(Path::new(path))).map_err(unreachable);
    }
    if let Ok(number) = text.parse::<u32>() {
        return numbered(number, roles);
    }
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.rsplit_once(':') {
        Some((_, port)) if is_digits(port) || text.contains("://") => at(text),
        _ => named(text, roles),
    }
}

/// The processes of a target, for the connections that they have opened.
fn openers(found: Target) -> Result<Target, Failure> {
    let target = Target::running(found.owners);
    if target.pids().any(sees_files) {
        return Ok(target);
    }
    // Without a process, it is known only that it is hidden.
    let process = if target.owners.is_empty() { found.hidden.join(", ") } else { target.to_string() };
    Err(Failure::new(
        Exit::Inconclusive,
        anyhow!("the sockets that a process has opened are not visible: {process}"),
    )
    .hint("they are visible to its user and to root"))
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

/// Servers and addresses, in one line; processes, if their connections to others are watched.
pub(super) fn title(target: &Target) -> String {
    let addrs = listening::addresses(target.addrs.iter());
    match (target.owners.as_slice(), addrs.as_str()) {
        (_, "") => format!("{target}, outbound"),
        ([], addrs) => format!("{addrs}: {target}"),
        (_, addrs) => format!("{target} at {addrs}"),
    }
}

/// What a recording calls it: addresses, or processes if their connections to others are watched.
pub(super) fn recorded(target: &Target) -> String {
    if target.addrs.is_empty() { title(target) } else { listening::addresses(target.addrs.iter()) }
}

/// The servers at this port, or else the process with this pid.
fn numbered(number: u32, roles: Roles) -> Result<Target, Failure> {
    let port = u16::try_from(number).ok().filter(|&port| port > 0);
    let process = of_process(number, roles);
    if let Some(target) = port.and_then(|port| Target::at_port(port).ok()) {
        if let Ok(process) = process {
            note(format_args!("{number} is the port of {target}; for {process}, use --pid {number}"));
        }
        return Ok(target);
    }
    process.map_err(|failure| match Owner::of(number) {
        Some(_) => failure,
        None => {
            let failure = unreachable(anyhow!(
                "nothing listens at port {number} on this host, and no process has that pid"
            ));
            match roles {
                Roles::Served => listening::hint(failure, ""),
                // What listens need not have opened any connection.
                Roles::Opened => failure.hint("give the pid or the name of a process that runs"),
            }
        }
    })
}

/// The process with this pid: as a server, or wherever it listens or does not.
fn of_process(pid: u32, roles: Roles) -> Result<Target, Failure> {
    match roles {
        Roles::Opened => Target::running_as(pid).map_err(unreachable),
        Roles::Served => Target::of_process(pid).map_err(|error| match error {
            Error::NoListener { .. } => unreachable(error)
                .hint("give its port as the target, or --outbound for the connections that it has opened"),
            error => unreachable(error),
        }),
    }
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

/// The processes with this name: those that listen, or all.
fn named(name: &str, roles: Roles) -> Result<Target, Failure> {
    let found = match roles {
        Roles::Served => Target::named(name),
        Roles::Opened => match Owner::named(name) {
            none if none.is_empty() => Err(Error::NoProcessNamed { name: name.to_owned() }),
            owners => Ok(Target::running(owners)),
        },
    };
    let target = found.map_err(|error| without_name(error, name))?;
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
                .hint(format_args!("it is the name of a thread of {}", owners_text([&owner]))),
            None => unreachable(error),
        },
        _ => unreachable(error),
    };
    listening::hint(failure, name)
}

fn unreachable(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Unreachable, error)
}
