//! What can fail.

use std::io;
use std::net::SocketAddr;

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot serve metrics at {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
}
