//! Why a stream or a connection ended, as a number (RFC 9113, section 7).

use std::fmt;

/// An error code of RST_STREAM or GOAWAY. Unknown ones are valid, and are printed as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// A regular end.
    pub const NO_ERROR: ErrorCode = ErrorCode(0x0);
    /// The protocol was violated, and no other code says how.
    pub const PROTOCOL_ERROR: ErrorCode = ErrorCode(0x1);
    /// DATA exceeded a window, or a window exceeded its maximum.
    pub const FLOW_CONTROL_ERROR: ErrorCode = ErrorCode(0x3);
    /// A frame came for a stream that had ended.
    pub const STREAM_CLOSED: ErrorCode = ErrorCode(0x5);
    /// A frame has a length that its type does not permit.
    pub const FRAME_SIZE_ERROR: ErrorCode = ErrorCode(0x6);
    /// The server has not begun to process the stream.
    pub const REFUSED_STREAM: ErrorCode = ErrorCode(0x7);
    /// A field block cannot be decoded, and with it no later one.
    pub const COMPRESSION_ERROR: ErrorCode = ErrorCode(0x9);
    /// The other side causes too much load.
    pub const ENHANCE_YOUR_CALM: ErrorCode = ErrorCode(0xb);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

/// The names of the registered codes, from 0.
const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];
