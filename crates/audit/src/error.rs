//! What can go wrong before or instead of a verdict.
//!
//! A finding about the server (it died, it hung up) is never an error: it is evidence. Errors are what keeps an audit
//! from being made at all, each with what was attempted, what happened, and what to try.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use echoctl_record::Seconds;
use thiserror::Error;

use crate::listeners::ForeignListener;

/// Why there is no audit.
#[derive(Debug, Error)]
pub enum Error {
    /// The script cannot be read or makes no sense.
    #[error("cannot use the script {path}: {reason}")]
    Script {
        /// Where it was read from.
        path: PathBuf,
        /// What is wrong, with line and field.
        reason: String,
    },
    /// A request cannot be read from its file.
    #[error("cannot read the request {path}: {reason}")]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The command could not be started at all.
    #[error("cannot start '{command}'")]
    Start {
        /// The command as given.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// The command ended before it listened.
    #[error("'{command}' ended ({how}) before it listened on port {port}{output}")]
    Ended {
        /// The command as given.
        command: String,
        /// How it ended, e.g. `exit status: 1`.
        how: String,
        /// The port it was to listen on.
        port: u16,
        /// The end of what it printed, ready to be appended.
        output: String,
    },
    /// The command runs and does not listen where it should.
    #[error("'{command}' did not listen on port {port} within {}{elsewhere}{output}", Seconds(.waited.as_secs_f64()))]
    NeverListened {
        /// The command as given.
        command: String,
        /// The port it was to listen on.
        port: u16,
        /// How long it was given.
        waited: Duration,
        /// Where it listens instead, ready to be appended.
        elsewhere: String,
        /// The end of what it printed, ready to be appended.
        output: String,
    },
    /// Somebody listens already where the command was to.
    #[error("cannot start the command: {} already listens on {addr}", named(listener.as_ref()))]
    AddrInUse {
        /// Where the command was to listen.
        addr: SocketAddr,
        /// Who listens there, on a system that tells.
        listener: Option<ForeignListener>,
    },
    /// Somebody else listens where the command was to. It was left alone.
    #[error(
        "cannot audit '{command}': {listener} listens on {}, and {} a process of the command; nothing was sent to \
         it, and it was not signalled",
        listener.addr,
        if listener.pid.is_some() { "is not" } else { "is not known to be" },
    )]
    ForeignListener {
        /// The command as given.
        command: String,
        /// Who listens there.
        listener: ForeignListener,
    },
    /// The address is no longer that of a server that may be attacked: somebody else listens there. It was left alone.
    #[error(
        "cannot go on: {0} now listens on {addr} and may not be attacked; nothing was sent to it",
        addr = .0.addr
    )]
    ListenerChanged(ForeignListener),
    /// The system does not show who listens, so that a stranger could not be told from the command.
    #[error("cannot see who listens: {0}")]
    ListenersNotVisible(echoctl_observe::Error),
    /// No connection.
    #[error("cannot connect to {addr}")]
    Connect {
        /// The target.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A step of `prepare` or `setup` did not get its answer.
    #[error("{step}: {reason}")]
    Step {
        /// Which step, e.g. `setup, step 2`.
        step: String,
        /// What was awaited, and what came.
        reason: String,
    },
    /// The audit was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// A system call failed that should not.
    #[error("cannot {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the target could not be reached or started: exit code 4 rather than 1.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Error::Start { .. }
                | Error::Ended { .. }
                | Error::NeverListened { .. }
                | Error::AddrInUse { .. }
                | Error::ForeignListener { .. }
                | Error::ListenerChanged(_)
                | Error::ListenersNotVisible(_)
                | Error::Connect { .. }
                | Error::Step { .. }
        )
    }
}

fn named(listener: Option<&ForeignListener>) -> String {
    listener.map_or_else(|| "another process".to_owned(), ForeignListener::to_string)
}
