//! What was sent, as the receiving thread sees it: frames, bytes, and whether the sender waits for its input.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Counted by the sender and read by the receiver.
#[derive(Default)]
pub(super) struct SendProgress {
    frames: AtomicU64,
    /// Bytes of the longest, without its marks.
    longest: AtomicU64,
    /// Bytes that the kernel took.
    bytes: AtomicU64,
    is_reading_input: AtomicBool,
}

impl SendProgress {
    /// Notes a frame of so many bytes before it is written: the server may hang up because of it.
    pub(super) fn record_start(&self, length: u64) {
        self.longest.fetch_max(length, SeqCst);
    }

    /// Notes the end of a frame.
    pub(super) fn record_end(&self) {
        self.frames.fetch_add(1, SeqCst);
    }

    /// Notes bytes that the kernel took.
    pub(super) fn record_write(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, SeqCst);
    }

    /// Calls `read`, and says meanwhile that it is the input that is waited for.
    pub(super) fn while_reading_input<T>(&self, read: impl FnOnce() -> T) -> T {
        self.is_reading_input.store(true, SeqCst);
        let result = read();
        self.is_reading_input.store(false, SeqCst);
        result
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.load(SeqCst)
    }

    pub(super) fn longest(&self) -> u64 {
        self.longest.load(SeqCst)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(SeqCst)
    }

    pub(super) fn is_reading_input(&self) -> bool {
        self.is_reading_input.load(SeqCst)
    }
}
