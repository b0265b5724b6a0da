//! Failures of an audit: the exit code of each error, and what helps against it.

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

/// What helps against the mistakes that are made most.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            Some("nothing listens there: start the server, or let the audit start it: echoctl audit -- CMD")
        }
        Error::Start { source, .. } if source.kind() == ErrorKind::NotFound => {
            Some("no such program here or in PATH: behind -- comes the command that starts the server")
        }
        Error::AddrInUse { .. } => Some(
            "give another address, or none for a free one; to audit the server that runs there, leave out the command: \
             echoctl audit ADDR",
        ),
        Error::ForeignListener { .. } => Some(
            "a server that the command has another program start (systemd, Docker, sudo) is not a process of the command: \
             start it yourself, and then use echoctl audit ADDR, with --pid for its memory and --allow-other-user if it is \
             another user's; or give another address",
        ),
        Error::ListenerChanged(_) => {
            Some("run it again; if that is the server to be audited: --allow-other-user")
        }
        _ => None,
    }
}
