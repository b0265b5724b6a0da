//! One block of memory per thread, filled before a write or by a read.
//!
//! Nothing is awaited between filling and using it, so no other task of the thread sees it, and one block serves all
//! connections of the thread. Nothing in it needs to be preserved: unsent bytes are generated again by the
//! [`FrameStream`](crate::payload::FrameStream), and received bytes are checked immediately.

use std::cell::RefCell;

/// Calls `use_it` with `length` bytes of the thread's block, whose content is arbitrary.
///
/// # Panics
/// If `use_it` calls this function again.
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
