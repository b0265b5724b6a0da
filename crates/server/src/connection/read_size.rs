//! How much to read at once: 64 KiB, or twice as much from a peer that outruns the server and reads its replies.
//!
//! A read and a write cost a system call each, and a write wakes the reader at the other end, so a stream that moves in larger
//! pieces costs less. But what has been read is buffered until the peer reads it, so a peer must qualify for large reads: by
//! filling [`STREAK`] reads in a row without making the server wait, to read or to write, and with a kernel that has acknowledged
//! nearly all replies. A peer that does not read never qualifies, since half of what those reads returned would still be in the
//! send queue.

/// Bytes of an ordinary read. Smaller reads cost more system calls.
pub(crate) const READ: usize = 64 * 1024;

/// Bytes of the largest read. Echoing 64, 128 and 256 KiB at a time gave 1,401, 1,644 and 1,714 MiB/s with one stream, and
/// 2,214, 2,466 and 2,403 with 32.
pub(crate) const LARGE_READ: usize = 128 * 1024;

/// Chooses the size of a connection's next read.
#[derive(Debug, Default)]
pub(crate) struct ReadSize {
    /// Number of consecutive reads that returned as much as was requested.
    streak: u8,
}

impl ReadSize {
    /// Number of bytes to request. `send_queue` returns how many the peer's kernel has not acknowledged, where that is visible;
    /// it is only called for a peer that streams.
    pub(crate) fn next(&mut self, send_queue: impl FnOnce() -> Option<u32>) -> usize {
        if self.streak < STREAK {
            return READ;
        }
        if send_queue().is_some_and(|bytes| bytes < KEEPS_UP) {
            return LARGE_READ;
        }
        self.streak = 0;
        READ
    }

    /// Whether the last read returned as much as was requested, so that there may be more.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streak > 0
    }

    /// Records that a read into `room` bytes returned `count`.
    pub(crate) fn record_read(&mut self, count: usize, room: usize) {
        self.streak = if count < room.min(READ) { 0 } else { self.streak.saturating_add(1) };
    }

    /// Records that the server waits, for input or until the kernel accepts output.
    pub(crate) fn record_wait(&mut self) {
        self.streak = 0;
    }
}

/// Number of full reads before large ones: 1 MiB in all, more than a peer's kernel accepts before its program has read anything.
const STREAK: u8 = 16;

/// The send queue of a peer that keeps up has fewer bytes than this. At full speed it had at most 384 KiB in 95 of 100 samples, and
/// 2.5 MiB after the peer stopped.
const KEEPS_UP: u32 = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn after_full_reads(count: u8) -> ReadSize {
        let mut size = ReadSize::default();
        (0..count).for_each(|_| size.record_read(READ, READ));
        size
    }

    #[test]
    fn a_peer_that_streams_and_reads_gets_large_reads() {
        assert_eq!(after_full_reads(STREAK - 1).next(|| Some(0)), READ);

        let mut size = after_full_reads(STREAK);

        assert_eq!(size.next(|| Some(KEEPS_UP - 1)), LARGE_READ);
        size.record_read(READ + 1, LARGE_READ);
        assert_eq!(size.next(|| Some(0)), LARGE_READ, "a read longer than an ordinary one is not short");
    }

    #[test]
    fn a_peer_that_lags_or_is_not_visible_starts_over() {
        for send_queue in [Some(KEEPS_UP), None] {
            let mut size = after_full_reads(u8::MAX);

            assert_eq!(size.next(|| send_queue), READ);
            assert_eq!(size.next(|| Some(0)), READ);
        }
    }

    #[test]
    fn a_short_read_and_a_wait_reset_the_streak() {
        let (mut short, mut waited) = (after_full_reads(STREAK), after_full_reads(STREAK));
        short.record_read(READ - 1, LARGE_READ);
        waited.record_wait();

        assert_eq!(short.next(|| Some(0)), READ);
        assert_eq!(waited.next(|| Some(0)), READ);
    }
}
