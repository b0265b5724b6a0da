//! The reply queue: replies made and not yet written, as bytes.
//!
//! ```text
//! head
//!  v
//! |..####| |######| |######| |###...|      segments of 64 KiB, each filled to the brim before the next is begun
//!  gone                          free
//! ```
//!
//! It holds bytes, not frames: a box for each 64-byte line would cost as much again for its header and its pointer. The first
//! segment grows by doubling, so that a queue of a few bytes costs a few bytes; so the overhead is at most one segment, and
//! per byte queued next to nothing. A segment is freed when its last byte is written, and all memory when the queue is empty.
//!
//! It has no limit of its own: whether to append is for [`Backpressure`](crate::Backpressure) to say.

use std::collections::VecDeque;

/// Bytes in order, in segments.
///
/// ```
/// use echoctl_server::ReplyQueue;
///
/// let mut queue = ReplyQueue::default();
/// queue.append(b"one\ntwo\n");
/// queue.consume(4);
/// assert_eq!(queue.front(), b"two\n");
/// ```
#[derive(Debug, Default)]
pub struct ReplyQueue {
    segments: VecDeque<Vec<u8>>,
    /// Bytes of the first segment that are gone. Invariant: less than its length.
    head: usize,
    len: usize,
}

impl ReplyQueue {
    /// Bytes in a full segment.
    pub const SEGMENT: usize = 64 * 1024;

    /// Puts `bytes` at the end.
    pub fn append(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            if self.segments.back().is_none_or(|last| last.len() == Self::SEGMENT) {
                self.begin_segment(bytes.len());
            }
            let last = self.segments.back_mut().expect("one was begun if there was none");
            let count = bytes.len().min(Self::SEGMENT - last.len());
            if last.capacity() - last.len() < count {
                let doubled = (last.capacity() * 2).clamp(last.len() + count, Self::SEGMENT);
                last.reserve_exact(doubled - last.len());
            }
            last.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
        }
    }

    /// Forgets the oldest `count` bytes: they are written.
    ///
    /// # Panics
    /// When fewer are queued.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len, "{count} bytes consumed of {}", self.len);
        self.len -= count;
        self.head += count;
        while self.segments.front().is_some_and(|first| first.len() <= self.head) {
            self.head -= self.segments.pop_front().map_or(0, |first| first.len());
        }
        if self.len == 0 {
            // The ring of segments, too: it is half a megabyte after a gigabyte.
            *self = ReplyQueue::default();
        }
    }

    /// The oldest bytes that lie in one piece; empty when nothing is queued.
    pub fn front(&self) -> &[u8] {
        self.segments.front().map_or(&[], |first| &first[self.head..])
    }

    /// Bytes queued.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes allocated: what the queue costs now.
    pub fn allocated(&self) -> usize {
        self.segments.iter().map(Vec::capacity).sum::<usize>()
            + self.segments.capacity() * size_of::<Vec<u8>>()
    }

    fn begin_segment(&mut self, wanted: usize) {
        let capacity = if self.is_short() { wanted.min(Self::SEGMENT) } else { Self::SEGMENT };
        self.segments.push_back(Vec::with_capacity(capacity));
    }

    /// Whether a full segment would be much for what is queued.
    fn is_short(&self) -> bool {
        self.segments.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_whatever_the_pieces() {
        let (mut queue, mut out) = (ReplyQueue::default(), Vec::new());
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 253) as u8).collect();

        for (turn, piece) in sent.chunks(7919).enumerate() {
            queue.append(piece);
            if turn % 2 == 0 {
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
    fn small_frames_cost_what_their_bytes_cost() {
        let mut queue = ReplyQueue::default();

        for _ in 0..16 << 14 {
            queue.append(&[b'x'; 64]);
        }

        assert_eq!(queue.len(), 16 << 20);
        let a_byte = queue.allocated() as f64 / queue.len() as f64;
        assert!(a_byte < 1.01, "{a_byte} bytes allocated a byte queued");
    }

    #[test]
    fn a_few_bytes_cost_a_few_bytes() {
        let mut queue = ReplyQueue::default();

        queue.append(b"short");

        assert!(queue.allocated() < 256, "{} bytes", queue.allocated());
    }

    #[test]
    fn memory_goes_back_when_it_is_empty() {
        let mut queue = ReplyQueue::default();
        queue.append(&vec![0; 10 << 20]);
        let full = queue.allocated();

        queue.consume(9 << 20);
        assert!(queue.allocated() < full / 8, "freed as it is written");
        queue.consume(1 << 20);
        assert_eq!(queue.allocated(), 0);
    }
}
