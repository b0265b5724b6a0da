//! What a completed operation returns: its result, and what it used.

use std::io;

use echoctl_proto::Buffer;

use super::Lease;

/// An operation that has completed.
#[derive(Debug)]
pub enum Completion {
    /// The socket passed to `Ring::watch` is readable.
    Readable,
    /// An operation of a connection.
    Of(u32, Done),
}

/// An operation of a connection that has completed, with what it used.
#[derive(Debug)]
pub enum Done {
    /// A receive into a provided buffer; `None` at the end of the stream.
    Received(io::Result<Option<Lease>>),
    /// A receive into a buffer of its own, in which the bytes are counted as unread; 0 at the end of the stream.
    ReceivedOwn(Box<Buffer>, io::Result<usize>),
    /// A send from a provided buffer, which did not wait.
    Sent(Lease, io::Result<usize>),
    /// A send from a buffer of its own, in which the bytes are still unread.
    SentOwn(Box<Buffer>, io::Result<usize>),
}
