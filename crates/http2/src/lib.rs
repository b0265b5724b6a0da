//! A client's end of an HTTP/2 connection, without the connection: bytes in, bytes and events out.
//!
//! HTTP/2 (RFC 9113) carries many requests, called streams, on one connection, as frames with a header of 9 bytes. Each stream, and the connection
//! as a whole, has a window: how many bytes of DATA the other side may still send. So a reader can stop a writer although the
//! kernel's queues are empty, or only one of its streams. Header fields are compressed with HPACK (RFC 7541).
//!
//! - [`Client`] turns bytes of the server into [`Event`]s, and requests, data and windows into bytes for the server.
//! - [`Violation`] says what a server did that the protocol forbids, and where it is forbidden.
//!
//! The crate is *sans-IO*: it has no socket, no runtime, no clock and no `unsafe` code. The same input yields the same events, however
//! the network split it. It grants no window of its own accord, so its caller decides when the server has to wait. Whatever a server sends,
//! memory stays bounded: see the limits of [`Client`].
//!
//! ```
//! use echoctl_http2::{Client, Config, EndStream, Event, Request};
//!
//! let mut client = Client::new(Config::default());
//! let request = Request { method: "GET", scheme: "http", authority: "localhost", path: "/", fields: &[] };
//! let stream = client.open(&request, EndStream::Yes).unwrap();
//! assert!(client.output().starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));      // to be written to the server
//!
//! let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
//! let response = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, 0, 0, 2, 0, 1, 0, 0, 0, 1, b'o', b'k'];
//! let mut body = Vec::new();
//! for bytes in [&settings[..], &response[..]] {
//!     client.receive(bytes, &mut |event| match event {
//!         Event::Headers { status, .. } => assert_eq!(status, 200),
//!         Event::Data { data, .. } => body.extend_from_slice(data),
//!         _ => {}
//!     }).unwrap();
//! }
//! assert_eq!(body, b"ok");
//! client.grant(None, body.len() as u32);                                          // the server may send as much again
//! # let _ = stream;
//! ```

#![forbid(unsafe_code)]

mod client;
mod error_code;
mod event;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod hpack;
mod request;
mod violation;

pub use client::{Client, Config};
pub use error_code::ErrorCode;
pub use event::{EndStream, Event, StreamId};
pub use frame::FrameKind;
pub use hpack::{Fields, HpackFault};
pub use request::Request;
pub use violation::Violation;
