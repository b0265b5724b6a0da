//! The reasons why a run could not be made.

use thiserror::Error;

/// A run could not be started, or not be brought to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// A child server did not start.
    #[error("start a server with '{command}': {what}")]
    Server {
        /// The command that was run.
        command: String,
        /// Its stderr, or the system's error.
        what: String,
    },
    /// A child server exited during the run.
    #[error("run the server with pid {pid}: it exited during the experiment: {how}")]
    ServerEnded {
        /// Its process ID.
        pid: u32,
        /// Its exit status and its stderr.
        how: String,
    },
    /// The client's task panicked, or its runtime was shut down.
    #[error("run the client: it ended without a result")]
    NoOutcome,
    /// The client could not connect.
    #[error(transparent)]
    Client(#[from] echoctl_client::Error),
    /// A server's process could not be measured.
    #[error(transparent)]
    Observe(#[from] echoctl_observe::Error),
}
