//! How a protocol between the socket and the payload ended.

/// What a server said at the end of a session, or did wrong in it. It is text from outside, escaped for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ended the session as the protocol provides.
    Closing(String),
    /// It violated the protocol.
    Violation(String),
}
