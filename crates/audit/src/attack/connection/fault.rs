//! How a protocol between the socket and the payload ended, other than regularly.

/// What a server did wrong in a session, or the error with which it ended it. It may contain text from outside, escaped for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);
