//! What can go wrong in a conversation.

use std::io;

use echoctl_proto::{BufferError, EncodeError, FrameTooLong};
use thiserror::Error;

/// Why a conversation failed.
#[derive(Debug, Error)]
pub enum ConversationError {
    /// The input could not be read.
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
    /// A line of the input is too long for a frame.
    #[error("line {number} of the input")]
    Line {
        /// Its number, from 1.
        number: u64,
        /// The length and the limit.
        source: FrameTooLong,
    },
    /// The framing cannot express a line.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A buffer could not grow.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// The connection broke.
    #[error("cannot read from the server")]
    Broken(#[source] io::Error),
    /// A reply is longer than the maximum payload.
    #[error("the server's reply")]
    Reply(#[source] FrameTooLong),
    /// The server closed the connection in the middle of a line.
    #[error("the server closed the connection in the middle of a line")]
    PartialLine,
    /// The server closed the connection in the middle of a frame.
    #[error("the server closed the connection in the middle of a frame, of which {bytes} bytes arrived")]
    PartialFrame {
        /// Bytes of the frame that arrived.
        bytes: usize,
    },
    /// The replies could not be written to the output.
    #[error("cannot write the replies")]
    Output(#[source] io::Error),
}
