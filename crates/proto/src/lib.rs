//! The bytes of a connection, without the connection: a dynamic buffer, and the framing that splits it into messages.
//!
//! TCP delivers a stream of bytes and knows nothing of messages. A program that exchanges messages has to buffer what has
//! arrived until a message is complete, and to know where each one ends. This crate does that, and nothing else:
//!
//! - [`Buffer`] stores bytes that have arrived and are not consumed yet. It grows up to a limit, and frees memory.
//! - [`Framing`] defines where a frame ends (`lines`, `u16`, `u32`, `raw`), and encodes frames.
//! - [`FrameDecoder`] finds frames at the front of the unread bytes, without scanning a byte twice.
//!
//! The crate is *sans-IO*: it has no socket, no runtime, no clock and no `unsafe` code. The same input yields the same output,
//! however the network split it. Reading and writing are left to the server and the client.
//!
//! ```
//! use echoctl_proto::{Buffer, FrameDecoder, Framing};
//!
//! let mut buffer = Buffer::new(64 * 1024);
//! let mut decoder = FrameDecoder::new(Framing::Lines, 1024);
//!
//! buffer.append(b"one\ntw").unwrap();                       // TCP may deliver any piece of the stream
//! let frame = decoder.decode(buffer.unread()).unwrap().unwrap();
//! assert_eq!(frame.payload, b"one");
//! buffer.consume(frame.bytes.len());
//! assert_eq!(decoder.decode(buffer.unread()), Ok(None));    // "tw" is not a line yet: more bytes are needed
//!
//! buffer.append(b"o\n").unwrap();
//! assert_eq!(decoder.decode(buffer.unread()).unwrap().unwrap().payload, b"two");
//! ```

#![forbid(unsafe_code)]

mod buffer;
mod frame_decoder;
mod framing;

pub use buffer::{Buffer, BufferError, Full};
pub use frame_decoder::{Frame, FrameDecoder, FrameTooLong};
pub use framing::{EncodeError, Framing, UnknownFraming};

/// The example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
