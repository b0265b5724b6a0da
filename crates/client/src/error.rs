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
    /// Frames of this size cannot be sent.
    #[error(
        "invalid frame size {size}: {framing} framing allows {min} to {max} bytes, framing overhead included"
    )]
    FrameSize {
        /// The framing.
        framing: Framing,
        /// The requested size.
        size: usize,
        /// The minimum: the framing overhead and the frame's number.
        min: usize,
        /// The maximum that the framing can express.
        max: usize,
    },
    /// An empty range of frame sizes.
    #[error("invalid range of frame sizes {start}..{end}: the first must not exceed the last")]
    SizeRange {
        /// The first size.
        start: usize,
        /// The last size.
        end: usize,
    },
    /// The write size is out of bounds.
    #[error("invalid write size {size}: expected 1 to {max} bytes")]
    WriteSize {
        /// The requested size.
        size: usize,
        /// The maximum.
        max: usize,
    },
    /// No connections were requested.
    #[error("invalid number of connections 0: expected at least 1")]
    NoConnections,
}
