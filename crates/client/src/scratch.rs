//! The scratch: one block of memory a thread, to fill before a write or after a read.
//!
//! Between filling it and using it nothing is awaited, so no other task of the thread can see it half used, and one block
//! serves all connections of the thread. What is left of it need not be kept: unsent bytes are made again by the
//! [`Source`](crate::Source), and received ones are checked at once.

use std::cell::RefCell;

/// Calls `use_it` with `length` bytes of scratch, whose content is arbitrary.
///
/// # Panics
/// When called from within itself.
pub(crate) fn with<T>(length: usize, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            scratch.resize(length, 0);
        }
        use_it(&mut scratch[..length])
    })
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}
