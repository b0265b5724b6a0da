//! The reasons why an experiment could not be run.

use thiserror::Error;

/// An experiment could not be run. (One that ran and did not show its claim is not an error: see its outcome.)
#[derive(Debug, Error)]
pub enum Error {
    /// The experiment did not finish.
    #[error("wait for both clients to receive all replies: timed out after {seconds} s")]
    Stalled {
        /// The time limit of the run.
        seconds: u64,
    },
    /// A server did not start or exited, or a client failed.
    #[error(transparent)]
    Trial(#[from] echoctl_trial::Error),
}
