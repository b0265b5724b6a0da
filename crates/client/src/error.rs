//! What can keep a flood from starting. What happens to it later is told by its [`Outcome`](crate::Outcome).

use std::io;
use std::net::SocketAddr;

use echoctl_proto::Framing;
use thiserror::Error;

/// A flood that could not start.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection came about.
    #[error("cannot connect to {addr}")]
    Connect {
        /// Where to.
        addr: SocketAddr,
        /// How many connections were opened before it.
        opened: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// A frame of this size cannot be made.
    #[error(
        "a frame of {size} bytes cannot be sent with {framing} framing: {min} to {max} bytes can, marks included"
    )]
    FrameSize {
        /// The framing asked for.
        framing: Framing,
        /// The size asked for.
        size: usize,
        /// The smallest: the framing's marks and the frame's number.
        min: usize,
        /// The largest that the framing can express.
        max: usize,
    },
    /// A range of sizes that is empty.
    #[error("sizes from {start} to {end} are no range: the first must not be the larger")]
    SizeRange {
        /// The first size.
        start: usize,
        /// The last size.
        end: usize,
    },
    /// A size of writes out of bounds.
    #[error("writes of {size} bytes: 1 to {max} bytes are possible")]
    WriteSize {
        /// The size asked for.
        size: usize,
        /// The largest.
        max: usize,
    },
    /// No connection was asked for.
    #[error("0 connections can send nothing")]
    NoConnections,
}
