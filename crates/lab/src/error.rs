//! The reasons why an experiment could not be run.

use std::path::PathBuf;

use thiserror::Error;

/// An experiment could not be run. (One that ran and did not show its claim is not an error: see its outcome.)
#[derive(Debug, Error)]
pub enum Error {
    /// A child server did not start.
    #[error("start a server with '{} serve': {what}", program.display())]
    Server {
        /// The program that was run.
        program: PathBuf,
        /// Its stderr, or the system's error.
        what: String,
    },
    /// A child server exited during the experiment.
    #[error("run the server with pid {pid}: it exited during the experiment: {how}")]
    ServerEnded {
        /// Its process ID.
        pid: u32,
        /// Its exit status and its stderr.
        how: String,
    },
    /// A part of the experiment failed.
    #[error("run the client: {0}")]
    Part(String),
    /// The experiment did not finish.
    #[error("wait for both clients to receive all replies: timed out after {seconds} s")]
    Stalled {
        /// The time limit of the run.
        seconds: u64,
    },
    /// The client could not connect.
    #[error(transparent)]
    Client(#[from] echoctl_client::Error),
    /// A server's process could not be measured.
    #[error(transparent)]
    Observe(#[from] echoctl_observe::Error),
}
