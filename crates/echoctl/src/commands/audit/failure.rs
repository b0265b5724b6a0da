//! The exit code and the hint for each error of an audit.

use std::io::ErrorKind;

use echoctl_audit::{Error, TlsError};
use echoctl_observe::ServerAddr;
use echoctl_trial::spawn::{SocketPathError, SpawnError};

use super::client;
use crate::cli::called;
use crate::exit::{Exit, Failure};

/// An error with its exit code and its hint.
pub(super) fn failure(error: Error) -> Failure {
    let exit = match &error {
        Error::Interrupted | Error::Spawn(SpawnError::Interrupted) => Exit::Interrupted,
        Error::Client(failure) => client::failure(failure).0,
        error if error.is_unreachable() => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let hint = hint(&error);
    hint.into_iter().fold(Failure::new(exit, error), Failure::hint)
}

/// The remedy where nothing listens.
pub(super) fn start_hint() -> String {
    format!("start the server to audit, or let the audit start it: {} audit -- CMD", called())
}

/// The remedy for the most frequent mistakes.
fn hint(error: &Error) -> Option<String> {
    let echoctl = called();
    Some(match error {
        Error::Client(failure) => client::failure(failure).1.to_owned(),
        Error::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => start_hint(),
        Error::Spawn(SpawnError::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
            "the words after -- are the command that starts the server; its program must be here or in PATH"
                .to_owned()
        }
        Error::Spawn(SpawnError::NeverListened { elsewhere: Some(_), addr, .. }) => {
            format!("make the command listen on {}, or give its address before --", place(addr))
        }
        Error::Spawn(SpawnError::OtherNamespace { .. }) => format!(
            "give the address by which its namespace is reached from here before --, with --allow-remote; or start it yourself, \
             then run {echoctl} audit ADDR --pid PID"
        ),
        Error::Spawn(SpawnError::Ended { addr, .. }) => {
            format!("the command must listen on {}, and stay in the foreground", place(addr))
        }
        Error::Spawn(SpawnError::NeverListened { elsewhere: None, addr, .. }) => {
            format!("make the command listen on {} within --ready-timeout", place(addr))
        }
        Error::Spawn(SpawnError::SocketPath { problem, .. }) => match problem {
            SocketPathError::Stale => "remove the file, or give another path".to_owned(),
            SocketPathError::NoFolder(_) => "create the folder first, or give another path".to_owned(),
            SocketPathError::TooLong { .. } => "give a shorter path".to_owned(),
            SocketPathError::NotASocket => "give another path".to_owned(),
            SocketPathError::Folder(_) => "give a path in a folder where files may be made".to_owned(),
        },
        Error::Spawn(SpawnError::AddrInUse { .. }) => format!(
            "omit ADDR to use a free port, or give another address; to audit the server that is running there, omit the \
             command: {echoctl} audit ADDR"
        ),
        Error::Spawn(SpawnError::ForeignListener { .. }) => format!(
            "a server that the command starts through another program (systemd, Docker, sudo) is not a process of the \
             command: start it yourself, then run {echoctl} audit ADDR, with --pid to watch its memory and \
             --allow-other-user if it runs as another user"
        ),
        Error::Tls(TlsError::Untrusted(_)) => {
            "trust the authority of its certificate with --ca FILE, or any certificate with --insecure"
                .to_owned()
        }
        Error::Tls(TlsError::Closed | TlsError::TimedOut(_)) => {
            "check that the server speaks TLS at this port".to_owned()
        }
        Error::ListenerChanged(_) => {
            "run the audit again; if this is the server to audit, add --allow-other-user".to_owned()
        }
        _ => return None,
    })
}

/// How a command learns where to listen.
fn place(addr: &ServerAddr) -> &'static str {
    match addr {
        ServerAddr::Tcp(_) => "$PORT or {port}",
        ServerAddr::Unix(_) => "$SOCKET or {socket}",
    }
}
