//! The dynamic buffer: bytes that have arrived and are not yet consumed.
//!
//! ```text
//! 0          start             end               capacity        limit
//! | consumed | unread bytes    | free room       | may still grow |
//! ```
//!
//! Bytes enter at `end` and leave at `start`. Leaving costs nothing: [`Buffer::consume`] only moves `start`. When the
//! room behind `end` is too small for what is to come, the unread bytes move to the front, and then one of two things
//! happens, whichever is cheaper in the long run:
//!
//! - **Compaction** is all, when at least half of the bytes before `end` are consumed (and then the room suffices).
//!   Each byte moved is paid for by a byte consumed since the last move.
//!
//!   ```text
//!   before  | consumed consumed | unread | room |
//!   after   | unread | room                     |
//!   ```
//!
//! - **Growth** otherwise: the allocation is extended to at least twice its capacity (and never less than [`FIRST_ALLOCATION`]).
//!   Doubling makes the copying amortised: *n* bytes appended in pieces, however small, cost fewer than 2*n* bytes copied,
//!   where growing by each piece would cost n²/2 divided by the piece. It is extended in place (`realloc`), so that the
//!   system can move the pages of a large one instead of having both for a moment. [`Buffer::growth`] tells by how much,
//!   for an owner who counts memory before it is taken.
//!
//! An allocation that has reached the limit cannot grow, so there compaction is the only way, paid for or not: a buffer
//! kept full to the brim and used in small steps pays for it. The owner chooses a limit above what it means to hold.
//!
//! **Limit.** Unread bytes never pass `limit`, and neither does the allocation: what does not fit is refused as a
//! whole ([`Full`]), and nothing of it is stored. So it is when the system has no memory
//! ([`OutOfMemory`](BufferError::OutOfMemory)): nothing here aborts.
//!
//! **Shrinking.** When the last unread byte is consumed both offsets return to 0, and an allocation of more than
//! [`Buffer::RETAINED`] bytes is given back, unless the owner wants it [kept](Buffer::keeping). [`Buffer::shrink`] gives back all but the unread bytes at any time, for an
//! owner who is going to wait.
//!
//! | operation | cost |
//! |---|---|
//! | `append` of n bytes | n bytes copied, amortised |
//! | `consume`, `unread`, `len` | none |
//! | `spare` of n bytes | amortised none; n bytes zeroed when memory is first used |
//! | `shrink` | the unread bytes copied once |
//!
//! What the bytes mean is for [`FrameDecoder`](crate::FrameDecoder) to say; where they come from, for the owner.

use std::collections::TryReserveError;
use std::fmt;

use thiserror::Error;

/// A growing byte buffer with a limit: append at the end, consume from the front.
///
/// ```
/// use echoctl_proto::Buffer;
///
/// let mut buffer = Buffer::new(8);
/// buffer.append(b"stream").unwrap();
/// buffer.consume(2);
/// assert_eq!(buffer.unread(), b"ream");
/// assert!(buffer.append(b"too much").is_err(), "4 + 8 bytes pass the limit of 8");
/// assert_eq!(buffer.unread(), b"ream", "and nothing of it was stored");
/// ```
#[derive(Default)]
pub struct Buffer {
    /// Invariant: `start <= end <= bytes.len()`; what lies behind `end` is initialised room, not content.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
    /// The largest allocation that is kept when it is empty.
    retained: usize,
}

impl Buffer {
    /// The largest allocation, in bytes, that an emptied buffer keeps for its next bytes: one usual read.
    pub const RETAINED: usize = 64 * 1024;

    /// An empty buffer that refuses to hold more than `limit` bytes. It allocates nothing until bytes arrive.
    pub const fn new(limit: usize) -> Buffer {
        Buffer { bytes: Vec::new(), start: 0, end: 0, limit, retained: Self::RETAINED }
    }

    /// The same, for an owner who fills and empties it again and again: it keeps its allocation, whatever its size.
    pub const fn retaining(limit: usize) -> Buffer {
        Buffer { bytes: Vec::new(), start: 0, end: 0, limit, retained: limit }
    }

    /// Stores `bytes` behind the unread ones.
    ///
    /// # Errors
    /// [`Full`] when they would exceed the limit, or when there is no memory; then nothing is stored.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), BufferError> {
        self.reserve(bytes.len())?;
        let overwritten = bytes.len().min(self.bytes.len() - self.end);
        self.bytes[self.end..self.end + overwritten].copy_from_slice(&bytes[..overwritten]);
        // Within the capacity, which was reserved above.
        self.bytes.extend_from_slice(&bytes[overwritten..]);
        self.end += bytes.len();
        Ok(())
    }

    /// Room for at least `wanted` bytes behind the unread ones, to be written by the caller, who then says how many
    /// with [`commit`](Buffer::commit). Its content before that is arbitrary, but initialised.
    ///
    /// # Errors
    /// [`Full`] when `wanted` more bytes would exceed the limit, or when there is no memory.
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
    /// When `count` is more than was lent.
    pub fn commit(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "{count} bytes filled, but fewer were lent");
        self.end += count;
    }

    /// Forgets the first `count` unread bytes. Gives memory back when none is left (see the module docs).
    ///
    /// # Panics
    /// When `count` is more than [`len`](Buffer::len).
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "{count} bytes consumed of {}", self.len());
        self.start += count;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Forgets all unread bytes.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        if self.capacity() > self.retained {
            self.bytes = Vec::new();
        }
    }

    /// Gives back all memory but the unread bytes': for an owner who is going to wait and expects no byte soon. Keeps it
    /// all when there is no memory for a copy of them.
    pub fn shrink(&mut self) {
        let mut exact = Vec::new();
        if self.capacity() > self.len() && exact.try_reserve_exact(self.len()).is_ok() {
            exact.extend_from_slice(self.unread());
            self.bytes = exact;
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// The bytes that arrived and are not yet consumed, oldest first.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many bytes are unread.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no byte is unread.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes allocated: what this buffer costs now.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The most bytes it will hold.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes by which the allocation will grow when room for `wanted` more is asked for: 0 when there is room.
    ///
    /// # Errors
    /// [`Full`] when `wanted` more bytes would exceed the limit.
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

    /// Makes room for `wanted` bytes behind the unread ones, by compaction or by growth.
    ///
    /// # Errors
    /// [`Full`] when `wanted` more bytes would exceed the limit, or when there is no memory.
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

/// Shows how full it is, not the content: a buffer may hold megabytes.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("limit", &self.limit)
            .finish()
    }
}

/// A buffer has no room for more bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BufferError {
    /// Its limit does not allow them.
    #[error(transparent)]
    Full(#[from] Full),
    /// The system has no memory for them.
    #[error("could not buffer more bytes: out of memory")]
    OutOfMemory(#[from] TryReserveError),
}

/// A buffer was asked to hold more than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{wanted} more bytes do not fit beside the {buffered} buffered: the limit is {limit}")]
pub struct Full {
    /// The buffer's limit in bytes.
    pub limit: usize,
    /// Unread bytes that it held when asked.
    pub buffered: usize,
    /// Bytes that were to be added.
    pub wanted: usize,
}

/// The smallest allocation in bytes: a short line or a ping fits, and malloc's own overhead stays below a quarter.
const FIRST_ALLOCATION: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_allocates_nothing() {
        assert_eq!(Buffer::new(1 << 30).capacity(), 0);
    }

    #[test]
    fn appending_byte_by_byte_copies_less_than_twice_what_was_appended() {
        let (mut buffer, mut copied) = (Buffer::new(1 << 20), 0);

        for _ in 0..1 << 20 {
            let (before, buffered) = (buffer.capacity(), buffer.len());
            buffer.append(b"x").unwrap();
            if buffer.capacity() != before {
                copied += buffered;
            }
        }

        assert!(copied < 2 << 20, "{copied} bytes copied");
    }

    #[test]
    fn consumed_room_is_used_again_instead_of_growing() {
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
    fn an_allocation_never_passes_the_limit() {
        let mut buffer = Buffer::new(1000);

        for _ in 0..10 {
            buffer.append(&[0; 100]).unwrap();
            assert!(buffer.capacity() <= 1000, "{buffer:?}");
        }

        assert_eq!(buffer.append(b"x"), Err(Full { limit: 1000, buffered: 1000, wanted: 1 }.into()));
    }

    #[test]
    fn what_no_memory_can_hold_is_an_error_and_stores_nothing() {
        let mut buffer = Buffer::new(usize::MAX);
        buffer.append(b"kept").unwrap();
        buffer.consume(1);

        // More than an address space has: the allocator refuses without trying.
        let refused = buffer.spare(isize::MAX as usize).map(|room| room.len());

        assert!(matches!(refused, Err(BufferError::OutOfMemory(_))), "{refused:?}");
        assert_eq!(buffer.unread(), b"ept");
        buffer.append(b" on").unwrap();
        assert_eq!(buffer.unread(), b"ept on");
    }

    #[test]
    fn growth_is_what_the_allocation_grows_by() {
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
    fn a_large_allocation_is_given_back_when_empty_and_a_small_one_kept() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.append(&[0; 1 << 20]).unwrap();
        buffer.consume(1 << 20);
        assert_eq!(buffer.capacity(), 0);

        buffer.append(&[0; 100]).unwrap();
        buffer.consume(100);
        assert!(buffer.capacity() >= 100);
    }

    #[test]
    fn a_keeping_buffer_gives_nothing_back_until_it_is_asked() {
        let mut buffer = Buffer::retaining(1 << 20);
        buffer.append(&[0; 1 << 20]).unwrap();
        buffer.consume(1 << 20);
        assert_eq!(buffer.capacity(), 1 << 20);

        buffer.shrink();
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn shrinking_keeps_the_unread_bytes_and_nothing_else() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.append(&[7; 5000]).unwrap();
        buffer.consume(4990);

        buffer.shrink();

        assert_eq!(buffer.unread(), [7; 10]);
        assert_eq!(buffer.capacity(), 10);
    }

    #[test]
    fn spare_room_becomes_content_once_filled() {
        let mut buffer = Buffer::new(100);
        buffer.spare(10).unwrap()[..3].copy_from_slice(b"abc");
        buffer.commit(3);
        buffer.append(b"def").unwrap();

        assert_eq!(buffer.unread(), b"abcdef");
        assert!(buffer.spare(95).is_err());
    }
}
