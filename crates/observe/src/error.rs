//! What can go wrong while looking: the thing is not there, not visible to us, or the kernel refused.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// Why something could not be seen.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel refused a question.
    // Not its source: its words stand in the message, and a chain would say them twice.
    #[error("{operation}: {error}")]
    Kernel {
        /// What was asked for.
        operation: &'static str,
        /// The kernel's error.
        error: io::Error,
    },
    /// The kernel's answer is not of the form that is documented.
    #[error("{operation}: the kernel's answer makes no sense")]
    Malformed {
        /// What was asked for.
        operation: &'static str,
    },
    /// There is no such process, or it has ended.
    #[error("no process has the pid {pid}")]
    NoProcess {
        /// The pid asked for.
        pid: u32,
    },
    /// No socket of this host listens at the address.
    #[error("nobody listens at {addr} on this host")]
    NotListening {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The system gives no thread, or no memory for one.
    #[error("start a thread: {0}")]
    NoThread(io::Error),
    /// This operating system does not show it, or not to this program.
    #[error("{what} is not visible on this system")]
    NotVisible {
        /// What was asked for.
        what: &'static str,
    },
}

impl Error {
    /// For `map_err`: the kernel refused `what`.
    pub(crate) fn kernel(operation: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::Kernel { operation, error }
    }
}
