//! The thread buffer: one block of memory a thread, to fill before a write or after a read.
//!
//! Between filling it and using it nothing is awaited, so no other task of the thread can see it half used, and one block
//! serves all connections of the thread. What is left of it need not be kept: unsent bytes are made again by the
//! [`FrameStream`](crate::FrameStream), and received ones are checked at once.

use std::cell::RefCell;

/// Calls `use_it` with `length` bytes of the thread buffer, whose content is arbitrary.
///
/// # Panics
/// When called from within itself.
pub(crate) fn with<T>(length: usize, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|thread_buffer| {
        if thread_buffer.len() < length {
            thread_buffer.resize(length, 0);
        }
        use_it(&mut thread_buffer[..length])
    })
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}
