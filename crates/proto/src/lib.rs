//! The bytes of a connection, without the connection: a dynamic buffer and the framing that cuts messages from it.
//!
//! TCP delivers a stream of bytes and knows nothing of messages. Whoever wants messages must keep what has arrived
//! until one is whole, and must know where each one ends. That is all this crate does:
//!
//! - [`Buffer`]: bytes that arrived and are not yet consumed; it grows, refuses to pass its limit, and gives memory back.
//! - [`Framing`]: where a frame ends (`lines`, `u16`, `u32`, `raw`), and how one is encoded.
//! - [`FrameDecoder`]: cuts frames from the front of unread bytes, remembering how far it has looked.
//!
//! The crate is *sans-IO*: no socket, no runtime, no clock, no `unsafe`. The same input gives the same output, whatever
//! way it was split on its way here. Reading and writing are the business of the server and the client.
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
//! assert_eq!(decoder.decode(buffer.unread()), Ok(None));        // "tw" is no line yet: more bytes are needed
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
