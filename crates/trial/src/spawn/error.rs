//! Why a server could not be started.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use echoctl_observe::ServerAddr;
use echoctl_record::Seconds;
use thiserror::Error;

use super::{ForeignListener, SocketPathError};

/// Why a server could not be started.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// The command could not be started.
    #[error("cannot start '{command}'")]
    Start {
        /// The command as given.
        command: String,
        /// The error from the operating system.
        source: io::Error,
    },
    /// The command exited before it listened.
    #[error("'{command}' exited before it listened on {} ({how}){output}", Place(addr))]
    Ended {
        /// The command as given.
        command: String,
        /// How it exited, e.g. `exit status: 1`.
        how: String,
        /// Where it was to listen.
        addr: ServerAddr,
        /// Its last output, ready to be appended.
        output: String,
    },
    /// The command is running and does not listen where it should.
    #[error(
        "'{command}' did not listen on {} within {}{}{output}",
        Place(addr),
        Seconds(.waited.as_secs_f64()),
        elsewhere.as_ref().map(|addr| format!("; it listens on {addr}")).unwrap_or_default()
    )]
    NeverListened {
        /// The command as given.
        command: String,
        /// Where it was to listen.
        addr: ServerAddr,
        /// How long it was waited for.
        waited: Duration,
        /// Where it listens instead, as text: this is the largest variant.
        elsewhere: Option<String>,
        /// Its last output, ready to be appended.
        output: String,
    },
    /// The command listens in another network namespace, and not where its address leads.
    #[error("'{command}' listens on {at} in another network namespace, which is not reached by {addr}")]
    OtherNamespace {
        /// The command as given.
        command: String,
        /// Where it was to listen.
        addr: ServerAddr,
        /// Where it listens, in its namespace.
        at: SocketAddr,
    },
    /// Another process already listens where the command was to listen.
    #[error("cannot start the command: {} already listens on {addr}", listener.as_ref().map_or("another process".to_owned(), ForeignListener::to_string))]
    AddrInUse {
        /// Where the command was to listen.
        addr: ServerAddr,
        /// The process that listens there, where the system shows it.
        listener: Option<ForeignListener>,
    },
    /// The command cannot make its Unix-domain socket there.
    #[error("cannot start the command on {addr}: {problem}")]
    SocketPath {
        /// Where the command was to listen.
        addr: ServerAddr,
        /// Why it cannot.
        problem: SocketPathError,
    },
    /// A process that is not the command's listens where the command was to listen. Nothing was sent to it.
    #[error(
        "cannot start '{command}': {listener} listens on {} and {} a process of the command; it was sent nothing and not \
         signalled",
        listener.addr,
        if listener.pid.is_some() { "is not" } else { "is not known to be" },
    )]
    ForeignListener {
        /// The command as given.
        command: String,
        /// The process that listens there.
        listener: ForeignListener,
    },
    /// The system does not show which process listens, so the command cannot be distinguished from others.
    // Not a source: the message contains it, and printing a chain would repeat it.
    #[error("cannot determine which process listens: {0}")]
    ListenersNotVisible(echoctl_observe::Error),
    /// No free port was found.
    #[error("cannot find a free port")]
    NoFreePort,
    /// A client's processes could not be suspended.
    #[error("cannot suspend {processes}")]
    NotFrozen {
        /// Those that are still running, by name and pid.
        processes: String,
    },
    /// It was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// `port 80`, `unix:/run/x.sock`: where a command was to listen, which is on this host.
struct Place<'a>(&'a ServerAddr);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServerAddr::Tcp(addr) => write!(f, "port {}", addr.port()),
            unix @ ServerAddr::Unix(_) => unix.fmt(f),
        }
    }
}

impl From<echoctl_observe::Error> for SpawnError {
    fn from(error: echoctl_observe::Error) -> SpawnError {
        SpawnError::ListenersNotVisible(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn hidden_listeners_are_explained_once() {
        let hidden = echoctl_observe::Error::NotVisible { what: "the table" };

        let error = SpawnError::from(hidden);

        let text = "cannot determine which process listens: the table is not visible on this system";
        assert_eq!((error.to_string().as_str(), error.source().is_none()), (text, true));
    }
}
