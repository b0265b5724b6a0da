//! A dynamic buffer: stores bytes that have arrived and are not consumed yet.
//!
//! ```text
//! 0          start             end               capacity        limit
//! | consumed | unread bytes    | free space      | may still grow |
//! ```
//!
//! Bytes are added at `end` and removed at `start`. Removing is free: [`Buffer::consume`] only moves `start`. If the free space
//! after `end` is too small for the next bytes, the unread bytes move to the front. Then one of two things happens, whichever is
//! cheaper in the long run:
//!
//! - **Compaction** is enough if at least half of the bytes before `end` are consumed (and the space then suffices). Each byte
//!   moved is paid for by a byte consumed since the last move.
//!
//!   ```text
//!   before  | consumed consumed | unread | free |
//!   after   | unread | free                     |
//!   ```
//!
//! - **Growth** otherwise: the allocation at least doubles (and has never less than [`FIRST_ALLOCATION`] bytes). Doubling makes
//!   copying amortised: *n* bytes appended in pieces of any size cost fewer than 2*n* bytes copied, where growing by one piece at
//!   a time would cost n²/2 divided by the size of a piece. The allocation is extended in place (`realloc`), so that the system
//!   can move the pages of a large one instead of having both for a moment. [`Buffer::growth`] returns by how much it would grow,
//!   for an owner that counts memory before it is allocated.
//!
//! An allocation that has reached the limit cannot grow, so it can only be compacted, paid for or not. A buffer that is always
//! full and consumed in small steps has that cost. The owner avoids it with a limit above what it intends to store.
//!
//! **Limit.** Neither the unread bytes nor the allocation ever exceed `limit`. Bytes that do not fit are refused ([`Full`]), and
//! none of them is stored. The same holds if the system has no memory ([`OutOfMemory`](BufferError::OutOfMemory)): nothing here
//! aborts.
//!
//! **Shrinking.** When the last unread byte is consumed, both offsets return to 0, and an allocation of more than
//! [`Buffer::RETAINED`] bytes is freed, unless the buffer is a [retaining](Buffer::retaining) one. [`Buffer::shrink`] frees all but
//! the unread bytes at any time, for an owner that is about to wait.
//!
//! | operation | cost |
//! |---|---|
//! | `append` of n bytes | n bytes copied, amortised |
//! | `consume`, `unread`, `len` | none |
//! | `spare` of n bytes | amortised none; n bytes zeroed when memory is first used |
//! | `shrink` | the unread bytes copied once |
//!
//! It does not interpret the bytes (see [`FrameDecoder`](crate::FrameDecoder)), and does not read or write sockets.

use std::collections::TryReserveError;
use std::fmt;

use thiserror::Error;

/// A byte buffer that grows up to a limit: append at the end, consume from the front.
///
/// ```
/// use echoctl_proto::Buffer;
///
/// let mut buffer = Buffer::new(8);
/// buffer.append(b"stream").unwrap();
/// buffer.consume(2);
/// assert_eq!(buffer.unread(), b"ream");
/// assert!(buffer.append(b"too much").is_err(), "4 + 8 bytes exceed the limit of 8");
/// assert_eq!(buffer.unread(), b"ream", "and none of it was stored");
/// ```
#[derive(Default)]
pub struct Buffer {
    /// Invariant: `start <= end <= bytes.len()`. The bytes after `end` are initialised, but not content.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
    /// The largest allocation that is retained while the buffer is empty.
    retained: usize,
}

impl Buffer {
    /// The largest allocation, in bytes, that an emptied buffer retains for its next bytes: one ordinary read.
    pub const RETAINED: usize = 64 * 1024;

    /// An empty buffer that refuses to store more than `limit` bytes. It allocates nothing until bytes arrive.
    pub const fn new(limit: usize) -> Buffer {
        Buffer { bytes: Vec::new(), start: 0, end: 0, limit, retained: Self::RETAINED }
    }

    /// Like [`new`](Buffer::new), but it retains an allocation of any size. For an owner that fills and empties it repeatedly.
    pub const fn retaining(limit: usize) -> Buffer {
        Buffer { bytes: Vec::new(), start: 0, end: 0, limit, retained: limit }
    }

    /// Stores `bytes` after the unread ones.
    ///
    /// # Errors
    /// If they would exceed the limit ([`Full`]), or if there is no memory. Then nothing is stored.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), BufferError> {
        self.reserve(bytes.len())?;
        let overwritten = bytes.len().min(self.bytes.len() - self.end);
        self.bytes[self.end..self.end + overwritten].copy_from_slice(&bytes[..overwritten]);
        // Within the capacity, which was reserved above.
        self.bytes.extend_from_slice(&bytes[overwritten..]);
        self.end += bytes.len();
        Ok(())
    }

    /// Free space for at least `wanted` bytes after the unread ones. The caller writes to it and then calls
    /// [`commit`](Buffer::commit) with the number of bytes written. Until then its content is arbitrary, but initialised.
    ///
    /// # Errors
    /// If `wanted` more bytes would exceed the limit ([`Full`]), or if there is no memory.
    pub fn spare(&mut self, wanted: usize) -> Result<&mut [u8], BufferError> {
        self.reserve(wanted)?;
        if self.bytes.len() < self.end + wanted {
            self.bytes.resize(self.end + wanted, 0);
        }
        Ok(&mut self.bytes[self.end..])
    }

    /// Counts the first `count` bytes of [`spare`](Buffer::spare) as unread.
    ///
    /// # Panics
    /// If `count` exceeds the free space.
    pub fn commit(&mut self, count: usize) {
        assert!(
            count <= self.bytes.len() - self.end,
            "{count} bytes committed, which exceeds the free space"
        );
        self.end += count;
    }

    /// Discards the first `count` unread bytes. Frees memory if none is left (see the module docs).
    ///
    /// # Panics
    /// If `count` exceeds [`len`](Buffer::len).
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "{count} bytes consumed of {}", self.len());
        self.start += count;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Discards all unread bytes.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        if self.capacity() > self.retained {
            self.bytes = Vec::new();
        }
    }

    /// Frees all memory except that of the unread bytes, for an owner that is about to wait. Does nothing if there is no
    /// memory for a copy of them.
    pub fn shrink(&mut self) {
        let mut exact = Vec::new();
        if self.capacity() > self.len() && exact.try_reserve_exact(self.len()).is_ok() {
            exact.extend_from_slice(self.unread());
            self.bytes = exact;
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// The bytes that are not consumed yet, oldest first.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Number of unread bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no byte is unread.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Number of bytes allocated: the memory that this buffer costs now.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Maximum number of unread bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes by which the allocation would grow to have room for `wanted` more: 0 if there is enough free space.
    ///
    /// # Errors
    /// [`Full`] if `wanted` more bytes would exceed the limit.
    pub fn growth(&self, wanted: usize) -> Result<usize, Full> {
        let needed = self.len().saturating_add(wanted);
        if needed > self.limit {
            return Err(Full { limit: self.limit, buffered: self.len(), wanted });
        }
        let pays = self.start >= self.len() || self.capacity() >= self.limit;
        if self.capacity() - self.end >= wanted || (pays && needed <= self.capacity()) {
            return Ok(0);
        }
        let doubled =
            self.capacity().saturating_mul(2).clamp(FIRST_ALLOCATION, self.limit.max(FIRST_ALLOCATION));
        Ok(needed.max(doubled.min(self.limit)) - self.capacity())
    }

    /// Makes room for `wanted` bytes after the unread ones, by compaction or by growth.
    ///
    /// # Errors
    /// If `wanted` more bytes would exceed the limit ([`Full`]), or if there is no memory.
    pub fn reserve(&mut self, wanted: usize) -> Result<(), BufferError> {
        let growth = self.growth(wanted)?;
        if self.capacity() - self.end >= wanted {
            return Ok(());
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let capacity = self.capacity() + growth;
        self.bytes.try_reserve_exact(capacity - self.bytes.len())?;
        Ok(())
    }
}

/// Prints the fill level, not the content, which may be megabytes.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("limit", &self.limit)
            .finish()
    }
}

/// A buffer cannot store more bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BufferError {
    /// They would exceed its limit.
    #[error(transparent)]
    Full(#[from] Full),
    /// The system has no memory for them.
    #[error("cannot buffer more bytes: out of memory")]
    OutOfMemory(#[from] TryReserveError),
}

/// A buffer was asked to store more than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("cannot buffer {wanted} more bytes: {buffered} are buffered, and the limit is {limit}")]
pub struct Full {
    /// The buffer's limit in bytes.
    pub limit: usize,
    /// Unread bytes at that moment.
    pub buffered: usize,
    /// Bytes to be added.
    pub wanted: usize,
}

/// The smallest allocation in bytes: a short line or a ping fits, and the overhead of malloc is below a quarter.
const FIRST_ALLOCATION: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_allocates_nothing() {
        assert_eq!(Buffer::new(1 << 30).capacity(), 0);
    }

    #[test]
    fn appending_byte_by_byte_copies_each_byte_less_than_twice() {
        const BYTES: usize = if cfg!(miri) { 1 << 10 } else { 1 << 20 };
        let (mut buffer, mut copied) = (Buffer::new(BYTES), 0);

        for _ in 0..BYTES {
            let (before, buffered) = (buffer.capacity(), buffer.len());
            buffer.append(b"x").unwrap();
            if buffer.capacity() != before {
                copied += buffered;
            }
        }

        assert!(copied < 2 * BYTES, "{copied} bytes copied");
    }

    #[test]
    fn consumed_space_is_reused_before_it_grows() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.append(&[1; 1000]).unwrap();
        let capacity = buffer.capacity();

        for _ in 0..1000 {
            buffer.consume(600);
            buffer.append(&[2; 600]).unwrap();
        }

        assert_eq!(buffer.capacity(), capacity);
    }

    #[test]
    fn an_allocation_never_exceeds_the_limit() {
        let mut buffer = Buffer::new(1000);

        for _ in 0..10 {
            buffer.append(&[0; 100]).unwrap();
            assert!(buffer.capacity() <= 1000, "{buffer:?}");
        }

        assert_eq!(buffer.append(b"x"), Err(Full { limit: 1000, buffered: 1000, wanted: 1 }.into()));
    }

    #[test]
    fn running_out_of_memory_is_an_error_and_stores_nothing() {
        let mut buffer = Buffer::new(usize::MAX);
        buffer.append(b"kept").unwrap();
        buffer.consume(1);

        // More than an address space has, so the allocator refuses without trying.
        let refused = buffer.spare(isize::MAX as usize).map(|room| room.len());

        assert!(matches!(refused, Err(BufferError::OutOfMemory(_))), "{refused:?}");
        assert_eq!(buffer.unread(), b"ept");
        buffer.append(b" on").unwrap();
        assert_eq!(buffer.unread(), b"ept on");
    }

    #[test]
    fn growth_predicts_the_next_allocation() {
        let mut buffer = Buffer::new(1000);
        for (wanted, consumed) in [(10, 3), (60, 0), (500, 400), (300, 100), (100, 0)] {
            let (growth, before) = (buffer.growth(wanted).unwrap(), buffer.capacity());
            buffer.append(&vec![0; wanted]).unwrap();
            assert_eq!(buffer.capacity(), before + growth, "{buffer:?}");
            buffer.consume(consumed);
        }
        assert!(buffer.growth(1000).is_err());
    }

    #[test]
    fn an_empty_buffer_frees_a_large_allocation_only() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.append(&[0; 1 << 20]).unwrap();
        buffer.consume(1 << 20);
        assert_eq!(buffer.capacity(), 0);

        buffer.append(&[0; 100]).unwrap();
        buffer.consume(100);
        assert!(buffer.capacity() >= 100);
    }

    #[test]
    fn a_retaining_buffer_frees_memory_only_when_shrunk() {
        let mut buffer = Buffer::retaining(1 << 20);
        buffer.append(&[0; 1 << 20]).unwrap();
        buffer.consume(1 << 20);
        assert_eq!(buffer.capacity(), 1 << 20);

        buffer.shrink();
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn shrinking_leaves_only_the_unread_bytes_allocated() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.append(&[7; 5000]).unwrap();
        buffer.consume(4990);

        buffer.shrink();

        assert_eq!(buffer.unread(), [7; 10]);
        assert_eq!(buffer.capacity(), 10);
    }

    #[test]
    fn spare_space_becomes_content_once_committed() {
        let mut buffer = Buffer::new(100);
        buffer.spare(10).unwrap()[..3].copy_from_slice(b"abc");
        buffer.commit(3);
        buffer.append(b"def").unwrap();

        assert_eq!(buffer.unread(), b"abcdef");
        assert!(buffer.spare(95).is_err());
    }
}
