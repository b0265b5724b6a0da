//! What a server's bytes mean to the client that receives them.

use std::fmt;

use crate::{ErrorCode, Fields};

/// One thing that the server said, in the order in which it said them.
#[derive(Debug)]
pub enum Event<'a> {
    /// The server's SETTINGS have come, for the first time or again; the client has queued the acknowledgement.
    Settings,
    /// The server has acknowledged one PING, or one SETTINGS frame, of ours.
    Acknowledged,
    /// An interim response (1xx), which the final response follows.
    Interim {
        /// The stream of the request.
        stream: StreamId,
        /// The status, 100 to 199.
        status: u16,
    },
    /// The header of a response.
    Headers {
        /// The stream of the request.
        stream: StreamId,
        /// The status, 200 to 999.
        status: u16,
        /// The other fields of the header.
        fields: &'a Fields,
        /// Whether the response ends here.
        end: EndStream,
    },
    /// A piece of a response's body: a DATA frame, or what has come of one.
    Data {
        /// The stream of the request.
        stream: StreamId,
        /// The bytes, which may be none.
        data: &'a [u8],
        /// Number of bytes of padding that ended with this piece. They count against the windows like data, so the reader
        /// grants both.
        padding: u32,
        /// Whether the response ends here.
        end: EndStream,
    },
    /// The fields after a response's body, which end it.
    Trailers {
        /// The stream of the request.
        stream: StreamId,
        /// The fields.
        fields: &'a Fields,
    },
    /// The server ended both halves of a stream: before the response was complete, or after it where it needs no more of the request
    /// (`NO_ERROR`). Streams that a GOAWAY excludes come as `REFUSED_STREAM`.
    Reset {
        /// The stream of the request.
        stream: StreamId,
        /// Why.
        code: ErrorCode,
    },
    /// The server processes no further streams. Those up to `last_stream` may still complete.
    GoAway {
        /// The highest stream that the server processes or has processed; 0 for none.
        last_stream: u32,
        /// Why.
        code: ErrorCode,
        /// What the server adds, for people: any bytes.
        debug: &'a [u8],
    },
    /// The server granted more DATA on one stream, or on the connection.
    Granted {
        /// The stream, or `None` for the connection.
        stream: Option<StreamId>,
    },
}

/// Whether something ends its sender's half of a stream (the flag END_STREAM).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStream {
    /// It is the last of its stream.
    Yes,
    /// More follows.
    No,
}

/// The number of a stream that a client opened: odd, and never used twice on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u32);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<bool> for EndStream {
    fn from(ends: bool) -> EndStream {
        if ends { EndStream::Yes } else { EndStream::No }
    }
}
