//! The errors of a connection that `echoctl send` tells apart.

use std::fmt;

/// Reading from the server failed.
#[derive(Debug)]
pub(super) struct ConnectionBroken;

impl fmt::Display for ConnectionBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot read from the server")
    }
}

/// The server closed the connection.
#[derive(Debug)]
pub(super) struct PeerClosed;

impl fmt::Display for PeerClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server closed the connection")
    }
}

impl std::error::Error for PeerClosed {}
