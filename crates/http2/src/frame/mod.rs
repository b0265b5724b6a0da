//! Frames: the header of 9 bytes, the types, and how a client's frames are written.
//!
//! ```text
//! length (3 bytes) | type (1) | flags (1) | 0 (1 bit), stream (31 bits) | payload
//! ```

mod reader;

use std::fmt;

pub(crate) use reader::{FrameReader, Piece};

/// Length of a frame's header in bytes.
pub(crate) const HEADER_LEN: usize = 9;

/// The largest payload of a frame that we accept, in bytes: the protocol's default, which we do not raise.
pub(crate) const MAX_FRAME: u32 = 16_384;

/// The largest window, stream number and increment.
pub(crate) const MAX_31_BITS: u32 = (1 << 31) - 1;

/// The window of a connection, and of a stream unless a setting says otherwise, in bytes.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// What a client sends first (RFC 9113, section 3.4), before its SETTINGS.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY: u8 = 0x20;

pub(crate) const HEADER_TABLE_SIZE: u16 = 0x1;
pub(crate) const ENABLE_PUSH: u16 = 0x2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;
pub(crate) const MAX_FRAME_SIZE: u16 = 0x5;
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// The type of a frame (RFC 9113, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A piece of a body.
    Data,
    /// The beginning of a field block.
    Headers,
    /// A hint about the order of responses, which is obsolete.
    Priority,
    /// The end of a stream without a result.
    RstStream,
    /// What its sender can do, and its limits.
    Settings,
    /// The announcement of a response to a request that the client has not made.
    PushPromise,
    /// A question that must be answered.
    Ping,
    /// The announcement that no further streams are processed.
    GoAway,
    /// A grant of more DATA.
    WindowUpdate,
    /// More of a field block.
    Continuation,
    /// A type that the standard does not define. Such frames are ignored.
    Unknown(u8),
}

impl FrameKind {
    const fn from_byte(byte: u8) -> FrameKind {
        match byte {
            0x0 => FrameKind::Data,
            0x1 => FrameKind::Headers,
            0x2 => FrameKind::Priority,
            0x3 => FrameKind::RstStream,
            0x4 => FrameKind::Settings,
            0x5 => FrameKind::PushPromise,
            0x6 => FrameKind::Ping,
            0x7 => FrameKind::GoAway,
            0x8 => FrameKind::WindowUpdate,
            0x9 => FrameKind::Continuation,
            other => FrameKind::Unknown(other),
        }
    }

    const fn byte(self) -> u8 {
        match self {
            FrameKind::Data => 0x0,
            FrameKind::Headers => 0x1,
            FrameKind::Priority => 0x2,
            FrameKind::RstStream => 0x3,
            FrameKind::Settings => 0x4,
            FrameKind::PushPromise => 0x5,
            FrameKind::Ping => 0x6,
            FrameKind::GoAway => 0x7,
            FrameKind::WindowUpdate => 0x8,
            FrameKind::Continuation => 0x9,
            FrameKind::Unknown(byte) => byte,
        }
    }

    /// The section of RFC 9113 that defines it.
    pub(crate) const fn section(self) -> &'static str {
        match self {
            FrameKind::Data => "6.1",
            FrameKind::Headers => "6.2",
            FrameKind::Priority => "6.3",
            FrameKind::RstStream => "6.4",
            FrameKind::Settings => "6.5",
            FrameKind::PushPromise => "6.6",
            FrameKind::Ping => "6.7",
            FrameKind::GoAway => "6.8",
            FrameKind::WindowUpdate => "6.9",
            FrameKind::Continuation => "6.10",
            FrameKind::Unknown(_) => "4.1",
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            FrameKind::Data => "DATA",
            FrameKind::Headers => "HEADERS",
            FrameKind::Priority => "PRIORITY",
            FrameKind::RstStream => "RST_STREAM",
            FrameKind::Settings => "SETTINGS",
            FrameKind::PushPromise => "PUSH_PROMISE",
            FrameKind::Ping => "PING",
            FrameKind::GoAway => "GOAWAY",
            FrameKind::WindowUpdate => "WINDOW_UPDATE",
            FrameKind::Continuation => "CONTINUATION",
            FrameKind::Unknown(byte) => return write!(f, "type {byte:#x}"),
        };
        f.write_str(name)
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) kind: FrameKind,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHeader {
    /// Reads a header. The reserved bit is ignored, as the standard demands.
    pub(crate) fn decode(bytes: [u8; HEADER_LEN]) -> FrameHeader {
        let [a, b, c, kind, flags, stream @ ..] = bytes;
        FrameHeader {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: FrameKind::from_byte(kind),
            flags,
            stream: u32::from_be_bytes(stream) & MAX_31_BITS,
        }
    }

    /// The header as it is sent. `length` has at most 24 bits.
    pub(crate) fn encode(self) -> [u8; HEADER_LEN] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [s, t, r, m] = self.stream.to_be_bytes();
        [a, b, c, self.kind.byte(), self.flags, s, t, r, m]
    }

    pub(crate) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The number in the first four bytes of a payload, without its reserved bit.
pub(crate) fn number_31(payload: &[u8]) -> u32 {
    number_32(payload) & MAX_31_BITS
}

/// The number in the first four bytes of a payload; 0 where there are fewer, which the reader has excluded.
pub(crate) fn number_32(payload: &[u8]) -> u32 {
    payload.first_chunk().copied().map_or(0, u32::from_be_bytes)
}
