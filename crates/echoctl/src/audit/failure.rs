//! The exit code and the hint for each error of an audit.

use std::io::ErrorKind;

use anyhow::anyhow;
use echoctl_audit::Error;

use crate::exit::{Exit, Failure};

/// An error with its exit code and its hint.
pub(super) fn failure(error: Error) -> Failure {
    let exit = match &error {
        Error::Interrupted => Exit::Interrupted,
        Error::Script { .. } | Error::Request { .. } => Exit::Usage,
        error if error.is_unreachable() => Exit::Unreachable,
        _ => Exit::Failed,
    };
    match hint(&error) {
        Some(hint) => Failure::new(exit, anyhow!("{:#}\nhint: {hint}", anyhow!(error))),
        None => Failure::new(exit, error),
    }
}

/// The remedy for the most frequent mistakes.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            Some("start the server, or let the audit start it: echoctl audit -- CMD")
        }
        Error::Start { source, .. } if source.kind() == ErrorKind::NotFound => Some(
            "the words after -- are the command that starts the server; its program must be here or in PATH",
        ),
        Error::NeverListened { elsewhere: Some(_), .. } => {
            Some("make the command listen on $PORT or {port}, or give its address before --")
        }
        Error::AddrInUse { .. } => Some(
            "omit ADDR to use a free port, or give another address; to audit the server that is running there, omit the \
             command: echoctl audit ADDR",
        ),
        Error::ForeignListener { .. } => Some(
            "a server that the command starts through another program (systemd, Docker, sudo) is not a process of the \
             command: start it yourself, then run echoctl audit ADDR, with --pid to watch its memory and --allow-other-user \
             if it runs as another user",
        ),
        Error::ListenerChanged(_) => {
            Some("run the audit again; if this is the server to audit, add --allow-other-user")
        }
        _ => None,
    }
}
