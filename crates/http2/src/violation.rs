//! What a server did that HTTP/2 forbids, as a value.

use thiserror::Error;

use crate::{ErrorCode, FrameKind, HpackFault};

/// A server's fault, after which the connection cannot be used any more. Its text names the rule's place in the standard, and shows bytes of
/// the server only with escapes.
///
/// The standard calls some of them errors of one stream; it permits to end the connection for these too (RFC 9113, section 5.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// The server does not speak HTTP/2, or did not begin with SETTINGS.
    #[error("the server began with \"{}\" instead of a SETTINGS frame (RFC 9113, section 3.4)", first.escape_ascii())]
    Preface {
        /// The first bytes, as many as a frame's header has.
        first: Vec<u8>,
    },
    /// A frame exceeds the maximum that we announced.
    #[error("a {kind} frame of {length} bytes exceeds the maximum of 16384 (RFC 9113, section 4.2)")]
    TooLong {
        /// Its type.
        kind: FrameKind,
        /// Length of its payload in bytes.
        length: u32,
    },
    /// A frame has a length that its type does not permit.
    #[error("a {kind} frame has an invalid length of {length} bytes (RFC 9113, section {})", kind.section())]
    WrongLength {
        /// Its type.
        kind: FrameKind,
        /// Length of its payload in bytes.
        length: u32,
    },
    /// A frame of a stream came on the connection, or the reverse.
    #[error("a {kind} frame on stream {stream} (RFC 9113, section {})", kind.section())]
    WrongStream {
        /// Its type.
        kind: FrameKind,
        /// The number of the stream; 0 is the connection.
        stream: u32,
    },
    /// The padding is longer than the frame.
    #[error("the padding of a {kind} frame exceeds the frame (RFC 9113, section {})", kind.section())]
    Padding {
        /// The frame's type.
        kind: FrameKind,
    },
    /// Another frame came inside a field block, or a CONTINUATION frame outside of one.
    #[error("a {kind} frame {} (RFC 9113, section 6.10)", if *kind == FrameKind::Continuation { "continues no field block of its stream" } else { "interrupts a field block" })]
    Sequence {
        /// The frame's type.
        kind: FrameKind,
    },
    /// The server pushes, although we have switched that off.
    #[error("a PUSH_PROMISE frame, although ENABLE_PUSH is 0 (RFC 9113, section 8.4)")]
    Push,
    /// The server acknowledged SETTINGS that it never got.
    #[error("a SETTINGS acknowledgement without SETTINGS (RFC 9113, section 6.5.3)")]
    UnexpectedAck,
    /// A setting has a value that it may not have.
    #[error("the setting {setting:#x} has the invalid value {value} (RFC 9113, section 6.5.2)")]
    Setting {
        /// The number of the setting.
        setting: u16,
        /// Its value.
        value: u32,
    },
    /// A frame came for a stream that was never opened.
    #[error("a {kind} frame on stream {stream}, which was never opened (RFC 9113, section 5.1)")]
    IdleStream {
        /// The frame's type.
        kind: FrameKind,
        /// The number of the stream.
        stream: u32,
    },
    /// The server continued a stream that it had ended.
    #[error("a {kind} frame on stream {stream}, which the server had ended (RFC 9113, section 5.1)")]
    ClosedStream {
        /// The frame's type.
        kind: FrameKind,
        /// The number of the stream.
        stream: u32,
    },
    /// The server sent more DATA than a window permitted.
    #[error("a DATA frame of {length} bytes on stream {stream} exceeds the window of {window} bytes of {} (RFC 9113, section 6.9.1)", owner(*of_connection))]
    WindowExceeded {
        /// The number of the stream.
        stream: u32,
        /// Length of the frame's payload in bytes.
        length: u32,
        /// What the window permitted, in bytes; below 0 after a setting lowered it.
        window: i64,
        /// Whether it is the connection's window, not the stream's.
        of_connection: bool,
    },
    /// The server granted more than a window can be.
    #[error("the window of stream {stream} exceeds 2^31-1 (RFC 9113, section 6.9.1)")]
    WindowOverflow {
        /// The number of the stream; 0 is the connection.
        stream: u32,
    },
    /// The server granted nothing, which is not permitted.
    #[error("a WINDOW_UPDATE frame of 0 bytes on stream {stream} (RFC 9113, section 6.9)")]
    ZeroIncrement {
        /// The number of the stream; 0 is the connection.
        stream: u32,
    },
    /// A later GOAWAY includes streams that an earlier one had excluded.
    #[error("a GOAWAY frame raises the last stream from {from} to {to} (RFC 9113, section 6.8)")]
    GoAwayRaised {
        /// The last stream before.
        from: u32,
        /// The last stream now.
        to: u32,
    },
    /// A response is not one of HTTP.
    #[error("malformed response on stream {stream}: {what} (RFC 9113, section {section})")]
    Malformed {
        /// The number of the stream.
        stream: u32,
        /// What is wrong.
        what: &'static str,
        /// Where it is forbidden.
        section: &'static str,
    },
    /// A field block cannot be decoded.
    #[error("the field block on stream {stream} cannot be decoded: {fault}")]
    Compression {
        /// The number of the stream.
        stream: u32,
        /// Why.
        fault: HpackFault,
    },
    /// A field block, or what it decodes to, exceeds our limit.
    #[error("the fields on stream {stream} exceed {limit} bytes (RFC 9113, section 10.5.1)")]
    FieldsTooLarge {
        /// The number of the stream.
        stream: u32,
        /// Our limit in bytes.
        limit: usize,
    },
    /// The server demands answers without reading them.
    #[error("the server demands answers with {kind} frames and does not read them (RFC 9113, section 10.5)")]
    UnreadAnswers {
        /// The type of the frame that exceeded the limit.
        kind: FrameKind,
    },
}

impl Violation {
    /// The error code that the client sends to the server.
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Violation::TooLong { .. } | Violation::WrongLength { .. } => ErrorCode::FRAME_SIZE_ERROR,
            Violation::ClosedStream { .. } => ErrorCode::STREAM_CLOSED,
            Violation::WindowExceeded { .. } | Violation::WindowOverflow { .. } => {
                ErrorCode::FLOW_CONTROL_ERROR
            }
            Violation::Setting { setting, .. } if *setting == crate::frame::INITIAL_WINDOW_SIZE => {
                ErrorCode::FLOW_CONTROL_ERROR
            }
            Violation::Compression { .. } => ErrorCode::COMPRESSION_ERROR,
            Violation::FieldsTooLarge { .. } | Violation::UnreadAnswers { .. } => {
                ErrorCode::ENHANCE_YOUR_CALM
            }
            Violation::Preface { .. }
            | Violation::WrongStream { .. }
            | Violation::Padding { .. }
            | Violation::Sequence { .. }
            | Violation::Push
            | Violation::UnexpectedAck
            | Violation::Setting { .. }
            | Violation::IdleStream { .. }
            | Violation::ZeroIncrement { .. }
            | Violation::GoAwayRaised { .. }
            | Violation::Malformed { .. } => ErrorCode::PROTOCOL_ERROR,
        }
    }
}

const fn owner(of_connection: bool) -> &'static str {
    if of_connection { "the connection" } else { "the stream" }
}
