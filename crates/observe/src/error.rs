//! Errors of a measurement: the object does not exist, it is not visible, or a system call failed.

use std::io;

use echoctl_record::printable;
use thiserror::Error;

use crate::{Owner, ServerAddr, owners_text};

/// Why a measurement failed.
#[derive(Debug, Error)]
pub enum Error {
    /// A system call failed.
    // Not a source: the message contains it, and printing a chain would repeat it.
    #[error("{operation}: {error}")]
    Kernel {
        /// What was attempted.
        operation: &'static str,
        /// The kernel's error.
        error: io::Error,
    },
    /// There is no such process, or it has exited.
    #[error("no process has the pid {pid}")]
    NoProcess {
        /// The requested pid.
        pid: u32,
    },
    /// No socket of this host listens at the address.
    #[error("nothing listens on {addr}")]
    NotListening {
        /// The requested address.
        addr: ServerAddr,
    },
    /// The process has no listening socket, or none that this program may see.
    #[error("process {pid} has no visible listening socket")]
    NoListener {
        /// Its pid.
        pid: u32,
    },
    /// No process has the name.
    #[error("no process is named '{}'", printable(name))]
    NoProcessNamed {
        /// The requested name.
        name: String,
    },
    /// None of the processes with the name has a listening socket, or none that this program may see.
    #[error("{} has no visible listening socket", owners_text(processes))]
    NoListenerNamed {
        /// Those processes.
        processes: Vec<Owner>,
    },
    /// The system refuses a thread, or has no memory for one.
    #[error("start a thread: {0}")]
    NoThread(io::Error),
    /// This operating system does not show it, or not to this program.
    #[error("{what} is not visible on this system")]
    NotVisible {
        /// What was requested.
        what: &'static str,
    },
}

impl Error {
    /// For `map_err`: the error of this operation.
    pub(crate) fn kernel(operation: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::Kernel { operation, error }
    }
}
