//! Errors that prevent a verdict.
//!
//! A finding about the server (it exited, it closed the connection) is evidence and not an error.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use echoctl_record::Seconds;
use thiserror::Error;

use crate::listeners::ForeignListener;

/// Why an audit did not take place.
#[derive(Debug, Error)]
pub enum Error {
    /// The script cannot be read or is invalid.
    #[error("cannot read script {path}: {reason}")]
    Script {
        /// Where it was read from.
        path: PathBuf,
        /// What is wrong, with line and field.
        reason: String,
    },
    /// A text is not a preset.
    #[error("{reason}")]
    Preset {
        /// What is wrong, with what is expected.
        reason: String,
    },
    /// A request cannot be read from its file.
    #[error("cannot read request {path}: {reason}")]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The command could not be started.
    #[error("cannot start '{command}'")]
    Start {
        /// The command as given.
        command: String,
        /// The error from the operating system.
        source: io::Error,
    },
    /// The command exited before it listened.
    #[error("'{command}' exited before it listened on port {port} ({how}){output}")]
    Ended {
        /// The command as given.
        command: String,
        /// How it exited, e.g. `exit status: 1`.
        how: String,
        /// The port on which it was to listen.
        port: u16,
        /// Its last output, ready to be appended.
        output: String,
    },
    /// The command is running and does not listen where it should.
    #[error(
        "'{command}' did not listen on port {port} within {}{}{output}",
        Seconds(.waited.as_secs_f64()),
        elsewhere.map(|addr| format!("; it listens on {addr}")).unwrap_or_default()
    )]
    NeverListened {
        /// The command as given.
        command: String,
        /// The port on which it was to listen.
        port: u16,
        /// How long the audit waited.
        waited: Duration,
        /// Where it listens instead.
        elsewhere: Option<SocketAddr>,
        /// Its last output, ready to be appended.
        output: String,
    },
    /// Another process already listens where the command was to listen.
    #[error("cannot start the command: {} already listens on {addr}", named(listener.as_ref()))]
    AddrInUse {
        /// Where the command was to listen.
        addr: SocketAddr,
        /// The process that listens there, where the system shows it.
        listener: Option<ForeignListener>,
    },
    /// A process that is not the command's listens where the command was to listen. It was not attacked.
    #[error(
        "cannot audit '{command}': {listener} listens on {} and {} a process of the command; it was sent nothing and not \
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
    /// A process that may not be attacked now listens at the address. It was not attacked.
    #[error(
        "cannot continue: {0} now listens on {addr} and may not be attacked; it was sent nothing",
        addr = .0.addr
    )]
    ListenerChanged(ForeignListener),
    /// The system does not show which process listens, so the command cannot be distinguished from others.
    #[error("cannot determine which process listens: {0}")]
    ListenersNotVisible(echoctl_observe::Error),
    /// No connection could be made.
    #[error("cannot connect to {addr}")]
    Connect {
        /// The target.
        addr: SocketAddr,
        /// The error from the operating system.
        source: io::Error,
    },
    /// A step of the script did not get its answer.
    #[error("{step}: {reason}")]
    Step {
        /// Which step, e.g. `setup, step 2`.
        step: String,
        /// What was expected, and what arrived.
        reason: String,
    },
    /// The audit was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// A system call failed unexpectedly.
    #[error("cannot {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// The error from the operating system.
        source: io::Error,
    },
}

impl Error {
    /// Whether the target could not be reached or started.
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
