//! A mapping of memory, which the standard library cannot make.
#![allow(unsafe_code)]
#![cfg(test)]

use std::ptr::null_mut;

/// Memory that a process shares with those that it forks.
pub(crate) struct SharedMemory(&'static mut [u8]);

impl SharedMemory {
    /// `size` bytes of it, all 0 and none touched.
    pub(crate) fn new(size: usize) -> SharedMemory {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: the kernel chooses an address where nothing is mapped.
        let address = unsafe { libc::mmap(null_mut(), size, protection, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED);
        // SAFETY: it is valid for `size` bytes, which are 0, until it is unmapped; nothing else refers to it.
        SharedMemory(unsafe { std::slice::from_raw_parts_mut(address.cast(), size) })
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        self.0
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: it is mapped with this size, and the only reference to it ends here.
        unsafe { libc::munmap(self.0.as_mut_ptr().cast(), self.0.len()) };
    }
}
