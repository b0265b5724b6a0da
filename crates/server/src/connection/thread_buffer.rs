//! The buffer of each worker thread: room for one read, lent to the connection that the thread is running.
//!
//! A thread runs one connection at a time, so one large buffer per thread is enough, however many connections wait. Its size is
//! 64 KiB until the first connection qualifies for a [large read](crate::connection::read_size). A connection borrows it to read, and returns it, empty,
//! before it waits. What is left over then is stored in an allocation of exactly that size (see
//! [`FrameBuffer`](crate::connection::frames::FrameBuffer)).

use std::cell::Cell;

use echoctl_proto::Buffer;

use crate::connection::read_size::LARGE_READ;

/// Borrows the thread's buffer, or allocates a new one if it is lent out or was never allocated. It is empty.
pub(crate) fn take() -> Box<Buffer> {
    BUFFER.take().unwrap_or_else(|| Box::new(Buffer::retaining(LARGE_READ)))
}

/// Returns a buffer to the current thread, which need not be the one that lent it.
pub(crate) fn give_back(mut buffer: Box<Buffer>) {
    buffer.clear();
    BUFFER.set(Some(buffer));
}

thread_local! {
    static BUFFER: Cell<Option<Box<Buffer>>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_lent_again_and_empty() {
        let mut buffer = take();
        buffer.append(&[1; LARGE_READ]).unwrap();
        let place = buffer.unread().as_ptr();
        give_back(buffer);

        let mut again = take();

        assert!(again.is_empty());
        again.append(b"x").unwrap();
        assert_eq!(again.unread().as_ptr(), place, "it is the same allocation");
    }
}
