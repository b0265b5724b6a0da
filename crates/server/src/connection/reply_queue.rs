//! The reply queue: replies that are produced and not written yet, as bytes.
//!
//! ```text
//! head
//!  v
//! |..####| |######| |######| |###...|      segments of 64 KiB, each filled completely before the next is added
//!  consumed                      free
//! ```
//!
//! It stores bytes, not frames: a box for each 64-byte line would cost as much again for its header and its pointer. The first
//! segment grows by doubling, so that a short queue allocates little. So the overhead is at most one segment, and next to nothing
//! per byte. A segment is freed when its last byte is written, and all memory when the queue is empty.
//!
//! It has no limit of its own. [`Backpressure`](crate::Backpressure) decides whether to append, and the caller counts the memory that
//! [`growth`](ReplyQueue::growth) announces. If the system has none, it returns an error.

use std::collections::{TryReserveError, VecDeque};

/// Bytes in order, in segments.
///
/// ```
/// use echoctl_server::ReplyQueue;
///
/// let mut queue = ReplyQueue::default();
/// queue.append(b"one\ntwo\n").unwrap();
/// queue.consume(4);
/// assert_eq!(queue.front(), b"two\n");
/// ```
#[derive(Debug, Default)]
pub struct ReplyQueue {
    segments: VecDeque<Vec<u8>>,
    /// Number of bytes at the front of the first segment that are consumed. Invariant: less than its length.
    head: usize,
    len: usize,
    /// Bytes allocated in the segments.
    in_segments: usize,
}

impl ReplyQueue {
    /// Bytes in a full segment.
    pub const SEGMENT: usize = 64 * 1024;

    /// Appends `bytes`.
    ///
    /// # Errors
    /// If the system has no memory for them. Some of them may have been queued. The stream has a gap then, so close it.
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), TryReserveError> {
        while !bytes.is_empty() {
            if self.segments.back().is_none_or(|last| last.len() == Self::SEGMENT) {
                self.segments.try_reserve(1)?;
                self.segments.push_back(Vec::new());
            }
            let is_first = self.segments.len() == 1;
            let last = self.segments.back_mut().expect("one was added if there was none");
            let count = bytes.len().min(Self::SEGMENT - last.len());
            if last.capacity() - last.len() < count {
                let capacity = capacity_for(is_first, last, bytes.len());
                let before = last.capacity();
                last.try_reserve_exact(capacity - last.len())?;
                self.in_segments += last.capacity() - before;
            }
            last.extend_from_slice(&bytes[..count]);
            self.len += count;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Maximum number of bytes by which [`allocated`](ReplyQueue::allocated) grows when `count` bytes are appended.
    pub fn growth(&self, count: usize) -> usize {
        let (mut left_in_last, mut in_last) = (0, 0);
        if let Some(last) = self.segments.back() {
            if count <= last.capacity() - last.len() {
                return 0;
            }
            left_in_last = Self::SEGMENT - last.len();
            if left_in_last > 0 {
                in_last = capacity_for(self.segments.len() == 1, last, count) - last.capacity();
            }
        }
        let beyond = count.saturating_sub(left_in_last);
        let begun = beyond.div_ceil(Self::SEGMENT);
        let in_new = match self.segments.is_empty() && beyond < Self::SEGMENT {
            true => beyond,
            false => begun * Self::SEGMENT,
        };
        let ring = (self.segments.len() + begun).saturating_sub(self.segments.capacity());
        // The ring doubles when it is full; at first it has room for four.
        let ring = if ring > 0 { ring.max(self.segments.capacity()).max(4) } else { 0 };
        in_last + in_new + ring * size_of::<Vec<u8>>()
    }

    /// Discards the oldest `count` bytes, which are written.
    ///
    /// # Panics
    /// If fewer are queued.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len, "{count} bytes consumed of {}", self.len);
        self.len -= count;
        self.head += count;
        while self.segments.front().is_some_and(|first| first.len() <= self.head) {
            let gone = self.segments.pop_front().unwrap_or_default();
            self.head -= gone.len();
            self.in_segments -= gone.capacity();
        }
        if self.len == 0 {
            // Frees the ring of segments as well, which has half a megabyte after a gigabyte was queued.
            *self = ReplyQueue::default();
        }
    }

    /// The oldest contiguous bytes; empty if nothing is queued.
    pub fn front(&self) -> &[u8] {
        self.segments.front().map_or(&[], |first| &first[self.head..])
    }

    /// Number of bytes queued.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of bytes allocated: the memory that the queue costs now.
    pub fn allocated(&self) -> usize {
        self.in_segments + self.segments.capacity() * size_of::<Vec<u8>>()
    }
}

/// The capacity that a segment grows to when `more` bytes do not fit. All but the first grow to their full size immediately; the
/// first doubles, since a full segment would be too much for a few bytes.
fn capacity_for(is_first: bool, segment: &Vec<u8>, more: usize) -> usize {
    let needed = segment.len().saturating_add(more).min(ReplyQueue::SEGMENT);
    if is_first { (segment.capacity() * 2).clamp(needed, ReplyQueue::SEGMENT) } else { ReplyQueue::SEGMENT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let (mut queue, mut out) = (ReplyQueue::default(), Vec::new());
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 253) as u8).collect();

        for (round, piece) in sent.chunks(7919).enumerate() {
            queue.append(piece).unwrap();
            if round % 2 == 0 {
                let count = queue.front().len().min(5000);
                out.extend_from_slice(&queue.front()[..count]);
                queue.consume(count);
            }
        }
        while !queue.is_empty() {
            let count = queue.front().len();
            out.extend_from_slice(queue.front());
            queue.consume(count);
        }

        assert_eq!(out, sent);
    }

    #[test]
    fn small_frames_cost_no_more_than_their_bytes() {
        let mut queue = ReplyQueue::default();

        for _ in 0..16 << 14 {
            queue.append(&[b'x'; 64]).unwrap();
        }

        assert_eq!(queue.len(), 16 << 20);
        let per_byte = queue.allocated() as f64 / queue.len() as f64;
        assert!(per_byte < 1.01, "{per_byte} bytes allocated per byte queued");
    }

    #[test]
    fn a_short_queue_allocates_little() {
        let mut queue = ReplyQueue::default();

        queue.append(b"short").unwrap();

        assert!(queue.allocated() < 256, "{} bytes", queue.allocated());
    }

    #[test]
    fn memory_is_freed_as_it_is_written() {
        let mut queue = ReplyQueue::default();
        queue.append(&vec![0; 10 << 20]).unwrap();
        let full = queue.allocated();

        queue.consume(9 << 20);
        assert!(queue.allocated() < full / 8, "freed while it is written");
        queue.consume(1 << 20);
        assert_eq!(queue.allocated(), 0);
    }

    #[test]
    fn it_grows_by_no_more_than_announced() {
        for piece in [1, 7, 100, 5000, ReplyQueue::SEGMENT, 3 * ReplyQueue::SEGMENT + 1] {
            let mut queue = ReplyQueue::default();
            for step in 0..(1 << 20) / piece {
                let announced = queue.allocated() + queue.growth(piece);
                queue.append(&vec![0; piece]).unwrap();
                let counted = queue.segments.iter().map(Vec::capacity).sum::<usize>()
                    + queue.segments.capacity() * size_of::<Vec<u8>>();

                assert_eq!(queue.allocated(), counted);
                assert!(counted <= announced, "pieces of {piece}, step {step}: {counted} over {announced}");
                queue.consume(if step % 3 == 0 { piece / 2 } else { 0 });
            }
        }
    }
}
