//! Errors that prevent a flood or a ping from starting. Later failures are part of its [`Outcome`](crate::Outcome).

use std::io;
use std::net::SocketAddr;

use echoctl_proto::Framing;
use thiserror::Error;

/// Why a flood or a ping could not start.
#[derive(Debug, Error)]
pub enum Error {
    /// A connection could not be opened.
    #[error("cannot connect to {addr}")]
    Connect {
        /// The server's address.
        addr: SocketAddr,
        /// Connections opened before this one.
        opened: usize,
        /// The kernel's error.
        source: io::Error,
    },
    /// The server did not return the name of a connection, as an echo server does.
    #[error("{addr} did not echo the name of the connection")]
    NotEchoed {
        /// The server's address.
        addr: SocketAddr,
        /// What happened instead.
        source: io::Error,
    },
    /// A setting is out of bounds: which one, its value, and what was expected.
    #[error("invalid {0}")]
    Invalid(String),
}

impl Error {
    /// Checks that there is at least one connection.
    pub(crate) fn check_connections(count: usize) -> Result<(), Error> {
        match count {
            0 => Err(Error::Invalid("number of connections 0: expected at least 1".to_owned())),
            _ => Ok(()),
        }
    }

    /// Frames of `size` bytes cannot be sent; those of `min` to `max` bytes can.
    pub(crate) fn frame_size(framing: Framing, size: usize, (min, max): (usize, usize)) -> Error {
        Error::Invalid(format!(
            "frame size {size}: {framing} framing allows {min} to {max} bytes, framing overhead included"
        ))
    }
}
