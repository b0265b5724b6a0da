//! Counters of the sending thread for the receiving thread: frames, bytes, and whether the input has no data.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Written by the sender and read by the receiver.
#[derive(Debug, Default)]
pub(super) struct Progress {
    frames: AtomicU64,
    /// Bytes of the longest payload.
    longest: AtomicU64,
    /// Bytes accepted by the kernel.
    bytes: AtomicU64,
    is_reading_input: AtomicBool,
}

impl Progress {
    /// Records a frame with a payload of `length` bytes before it is written: the server may close the connection because of
    /// it.
    pub(super) fn record_start(&self, length: u64) {
        self.longest.fetch_max(length, SeqCst);
    }

    /// Records the end of a frame.
    pub(super) fn record_end(&self) {
        self.frames.fetch_add(1, SeqCst);
    }

    /// Records bytes accepted by the kernel.
    pub(super) fn record_write(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, SeqCst);
    }

    /// Calls `read`, and reports meanwhile that the sender waits for its input.
    pub(super) fn while_reading_input<T>(&self, read: impl FnOnce() -> T) -> T {
        self.is_reading_input.store(true, SeqCst);
        let result = read();
        self.is_reading_input.store(false, SeqCst);
        result
    }

    /// What has been sent so far.
    pub(super) fn sent(&self) -> Sent {
        Sent {
            frames: self.frames.load(SeqCst),
            bytes: self.bytes.load(SeqCst),
            longest: self.longest.load(SeqCst),
        }
    }

    pub(super) fn is_reading_input(&self) -> bool {
        self.is_reading_input.load(SeqCst)
    }
}

/// What a conversation has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Number of frames; 0 for raw bytes.
    pub frames: u64,
    /// Bytes accepted by the kernel.
    pub bytes: u64,
    /// Bytes of the longest payload of which the sending has begun; 0 for raw bytes.
    pub longest: u64,
}
