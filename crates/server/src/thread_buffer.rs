//! The buffer buffer: room for one read, which a worker thread lends to whichever connection it is running.
//!
//! A thread runs one connection at a time, so one large buffer a thread is enough, however many connections wait. It has
//! 64 KiB until somebody has earned a [large read](crate::read_size). A
//! connection takes the buffer when it reads, and gives it back, empty, before it waits; what is left over then it keeps in
//! an allocation of exactly that size (see [`FrameBuffer`](crate::frames::FrameBuffer)).

use std::cell::Cell;

use echoctl_proto::Buffer;

use crate::read_size::LARGE_READ;

/// Takes the thread's buffer buffer, or a new one where it is lent out or was never made. It is empty.
pub(crate) fn take() -> Box<Buffer> {
    BUFFER.take().unwrap_or_else(|| Box::new(Buffer::retaining(LARGE_READ)))
}

/// Gives a buffer back to the thread that runs now, which need not be the one it was taken from.
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
    fn what_is_given_back_is_lent_again_and_empty() {
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
