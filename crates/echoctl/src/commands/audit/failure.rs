//! The exit code and the hint for each error of an audit.

use std::io::ErrorKind;

use echoctl_audit::Error;
use echoctl_trial::spawn::SpawnError;

use crate::cli::called;
use crate::exit::{Exit, Failure};

/// An error with its exit code and its hint.
pub(super) fn failure(error: Error) -> Failure {
    let exit = match &error {
        Error::Interrupted | Error::Spawn(SpawnError::Interrupted) => Exit::Interrupted,
        error if error.is_unreachable() => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let hint = hint(&error);
    hint.into_iter().fold(Failure::new(exit, error), Failure::hint)
}

/// The remedy for the most frequent mistakes.
fn hint(error: &Error) -> Option<String> {
    let echoctl = called();
    Some(match error {
        Error::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            format!("start the server, or let the audit start it: {echoctl} audit -- CMD")
        }
        Error::Spawn(SpawnError::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
            "the words after -- are the command that starts the server; its program must be here or in PATH"
                .to_owned()
        }
        Error::Spawn(SpawnError::NeverListened { elsewhere: Some(_), .. }) => {
            "make the command listen on $PORT or {port}, or give its address before --".to_owned()
        }
        Error::Spawn(SpawnError::Ended { .. }) => {
            "the command must listen on $PORT or {port}, and stay in the foreground".to_owned()
        }
        Error::Spawn(SpawnError::NeverListened { elsewhere: None, .. }) => {
            "make the command listen on $PORT or {port} within --ready-timeout".to_owned()
        }
        Error::Spawn(SpawnError::AddrInUse { .. }) => format!(
            "omit ADDR to use a free port, or give another address; to audit the server that is running there, omit the \
             command: {echoctl} audit ADDR"
        ),
        Error::Spawn(SpawnError::ForeignListener { .. }) => format!(
            "a server that the command starts through another program (systemd, Docker, sudo) is not a process of the \
             command: start it yourself, then run {echoctl} audit ADDR, with --pid to watch its memory and \
             --allow-other-user if it runs as another user"
        ),
        Error::ListenerChanged(_) => {
            "run the audit again; if this is the server to audit, add --allow-other-user".to_owned()
        }
        _ => return None,
    })
}
