//! What can stop an experiment from running.

use std::path::PathBuf;

use thiserror::Error;

/// An experiment could not be run. (One that ran and did not show its claim is no error: it says so in its outcome.)
#[derive(Debug, Error)]
pub enum Error {
    /// A child server did not start.
    #[error("cannot start a server with '{} serve': {what}", program.display())]
    Server {
        /// The program that was run.
        program: PathBuf,
        /// What it said, or what the system said of it.
        what: String,
    },
    /// A child server ended in the middle of the experiment.
    #[error("run the server with pid {pid}: it ended in the middle of the experiment: {how}")]
    ServerEnded {
        /// Its process.
        pid: u32,
        /// Its exit status, and what it said.
        how: String,
    },
    /// A part of the experiment failed by a fault of its own.
    #[error("run the client: {0}")]
    Part(String),
    /// The experiment did not end.
    #[error("wait for both servers to deliver what they hold: not done after {seconds} s")]
    Stalled {
        /// How long the whole run was waited for.
        seconds: u64,
    },
    /// The client could not connect.
    #[error(transparent)]
    Client(#[from] echoctl_client::Error),
    /// A server's process could not be looked at.
    #[error(transparent)]
    Observe(#[from] echoctl_observe::Error),
}
