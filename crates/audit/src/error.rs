//! Errors that prevent a verdict.
//!
//! A finding about the server (it exited, it closed the connection) is evidence and not an error.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use echoctl_trial::spawn::{ForeignListener, SpawnError};
use thiserror::Error;

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
    /// The server could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A process that may not be attacked now listens at the address. It was not attacked.
    #[error(
        "cannot continue: {0} now listens on {addr} and may not be attacked; it was sent nothing",
        addr = .0.addr
    )]
    ListenerChanged(ForeignListener),
    /// The system does not show which process listens, so the command cannot be distinguished from others.
    #[error("cannot determine which process listens: {0}")]
    ListenersNotVisible(#[from] echoctl_observe::Error),
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
}

impl Error {
    /// Whether the target could not be reached or started.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Error::Spawn(error) => !matches!(error, SpawnError::NoFreePort | SpawnError::Interrupted),
            Error::ListenerChanged(_)
            | Error::ListenersNotVisible(_)
            | Error::Connect { .. }
            | Error::Step { .. } => true,
            Error::Script { .. } | Error::Preset { .. } | Error::Request { .. } | Error::Interrupted => false,
        }
    }
}
