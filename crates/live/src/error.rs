//! What can fail.

use std::io;
use std::net::SocketAddr;

/// Why metrics, or the page of a class, cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot serve metrics at {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The page cannot be served at this address.
    #[error("cannot serve the page at {addr}")]
    Page {
        /// The address.
        addr: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The operating system has no random numbers, from which secrets are made.
    #[error("cannot draw random numbers: {0}")]
    Random(io::Error),
}
