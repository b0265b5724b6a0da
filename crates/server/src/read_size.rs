//! How much to read at once: 64 KiB, and twice as much from a peer that outruns the server and takes what it gets.
//!
//! A read and a write are a system call each, and a write wakes whoever reads at the other end: a stream that is moved in
//! larger pieces costs less. But what has been read is held until the peer takes it, so a large read must be earned.
//! A peer earns it by filling [`STREAK`] reads in a row without once making the server wait, to read or to write, while its
//! kernel has taken nearly all of the replies. One that does not read never gets there: half of what those reads brought
//! would still be in the send queue.

/// Bytes of a usual read. Smaller ones cost system calls.
pub(crate) const READ: usize = 64 * 1024;

/// Bytes of the largest read. Echoing 64, 128 and 256 KiB at a time gave 1,401, 1,644 and 1,714 MiB/s with one stream, and
/// 2,214, 2,466 and 2,403 with 32.
pub(crate) const LARGE_READ: usize = 128 * 1024;

/// Decides the size of a connection's next read.
#[derive(Debug, Default)]
pub(crate) struct ReadSize {
    /// Reads in a row that brought as much as was asked for.
    streak: u8,
}

impl ReadSize {
    /// Bytes to ask for. `send_queue` tells how many the peer's kernel has still to take, where that is visible; it is
    /// called for a peer that streams.
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

    /// Whether the last read brought as much as was asked for, so that there may be more.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streak > 0
    }

    /// Notes that a read into `room` bytes brought `count`.
    pub(crate) fn record_read(&mut self, count: usize, room: usize) {
        self.streak = if count < room.min(READ) { 0 } else { self.streak.saturating_add(1) };
    }

    /// Notes that the server waits, for bytes or for room to write them.
    pub(crate) fn record_wait(&mut self) {
        self.streak = 0;
    }
}

/// 1 MiB: more than a peer's kernel takes before its program has read anything.
const STREAK: u8 = 16;

/// Bytes in the send queue of a peer that keeps up are fewer: half of 1 MiB. Streaming at full speed they were at most 384 KiB
/// in 95 of 100 looks; when the peer stopped, 2.5 MiB.
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
    fn a_peer_that_streams_and_takes_its_replies_is_read_in_large_pieces() {
        assert_eq!(after_full_reads(STREAK - 1).next(|| Some(0)), READ);

        let mut size = after_full_reads(STREAK);

        assert_eq!(size.next(|| Some(KEEPS_UP - 1)), LARGE_READ);
        size.record_read(READ + 1, LARGE_READ);
        assert_eq!(size.next(|| Some(0)), LARGE_READ, "more than a usual read is not short");
    }

    #[test]
    fn a_peer_that_lags_or_is_not_seen_has_to_earn_it_again() {
        for send_queue in [Some(KEEPS_UP), None] {
            let mut size = after_full_reads(u8::MAX);

            assert_eq!(size.next(|| send_queue), READ);
            assert_eq!(size.next(|| Some(0)), READ);
        }
    }

    #[test]
    fn a_short_read_and_a_wait_end_the_streak() {
        let (mut short, mut waited) = (after_full_reads(STREAK), after_full_reads(STREAK));
        short.record_read(READ - 1, LARGE_READ);
        waited.record_wait();

        assert_eq!(short.next(|| Some(0)), READ);
        assert_eq!(waited.next(|| Some(0)), READ);
    }
}
