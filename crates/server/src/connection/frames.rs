//! The frame buffer of a connection: bytes that have arrived and are not answered yet.
//!
//! It is in one of two places, and moves only at the two moments when that is cheap:
//!
//! ```text
//!             room(), few bytes left over              park(), before waiting
//!   own  ------------------------------->  thread's  ------------------------------->  own
//!   exactly what is left, often nothing    room for a read                             exactly what is left
//! ```
//!
//! A long incomplete frame (more than [`MAX_MOVED`] bytes after a wait, or half a read) stays in `own` and grows there by doubling,
//! since moving it back and forth with each piece that arrives would copy it each time. So a waiting connection has exactly the
//! bytes that it must have, and one that waits in the middle of a long frame at most twice as many.
//!
//! A connection with a thread of its own cannot borrow a buffer, so it reads into its own ([`Room::Own`]).
//!
//! **What counts.** The capacity of `own` counts against the memory limit. The caller calls [`need`](FrameBuffer::need) and counts the
//! growth before [`room`](FrameBuffer::room) allocates it. The threads' buffers do not count: each worker has one. What is left over
//! in one moves to `own` without a check, since it is in memory already. So the limit may be exceeded by one read per worker, and by
//! no more, because a connection may not borrow while the limit is reached.

use echoctl_proto::{Buffer, BufferError};

use crate::connection::read_size::{LARGE_READ, READ};
use crate::connection::thread_buffer;
use crate::process::{GROWTH_HEADROOM, check_available};

/// Bytes that have arrived and are not answered yet, in a buffer that exists only while it is needed.
///
/// The value itself is small, since every idle connection has one.
#[derive(Debug)]
pub(crate) struct FrameBuffer {
    /// `None` while nothing is unread.
    bytes: Option<Box<Buffer>>,
    /// Whether `bytes` belongs to the thread.
    is_borrowed: bool,
    room: Room,
    /// Limit of a buffer of its own, in KiB: half as large as in bytes.
    limit_kib: u32,
}

/// The buffer that a connection reads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// The buffer of the thread that runs it, borrowed for as long as it runs.
    Lent,
    /// A buffer of its own.
    Own,
}

/// What the next read needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The thread's buffer.
    ThreadBuffer,
    /// This many bytes more in a buffer of its own; 0 if it has enough free space.
    Growth(usize),
}

impl FrameBuffer {
    /// A buffer for frames of at most `longest` bytes, framing included. It allocates nothing.
    pub(crate) fn new(longest: usize, room: Room) -> FrameBuffer {
        // One read more than the longest frame: the read that returns its end, and what follows it.
        let limit_kib = longest.saturating_add(LARGE_READ).div_ceil(1024);
        let limit_kib = limit_kib.try_into().unwrap_or(u32::MAX);
        FrameBuffer { bytes: None, is_borrowed: false, room, limit_kib }
    }

    /// What [`room`](FrameBuffer::room) for `wanted` bytes needs.
    ///
    /// # Errors
    /// If the caller has let a frame grow beyond the maximum.
    pub(crate) fn need(&self, wanted: usize) -> Result<Need, BufferError> {
        if self.uses_thread_buffer() {
            return Ok(Need::ThreadBuffer);
        }
        let unread = self.unread().len();
        let room = self.own_room(wanted);
        Ok(Need::Growth(match &self.bytes {
            Some(own) if !self.is_borrowed => own.growth(room)?,
            _ => Buffer::new(self.limit()).growth(unread + room)?,
        }))
    }

    /// Free space for the next read, at least one byte. It is in the thread's buffer, which then has `wanted` bytes including
    /// those left over, or, while a long frame arrives or if the connection does not borrow, in its own.
    ///
    /// # Errors
    /// If there is no memory, or the caller has let a frame grow beyond the maximum.
    pub(crate) fn room(&mut self, wanted: usize) -> Result<&mut [u8], BufferError> {
        if self.uses_thread_buffer() {
            let room = wanted - self.unread().len();
            return Ok(&mut self.borrow()?.spare(room)?[..room]);
        }
        let room = self.own_room(wanted);
        if self.is_borrowed || self.bytes.is_none() {
            self.move_to_own(room)?;
        }
        self.bytes.as_mut().expect("it was stored above").spare(room)
    }

    /// Counts the first `count` bytes of the free space as arrived.
    pub(crate) fn commit(&mut self, count: usize) {
        self.bytes.as_mut().expect("its free space was borrowed").commit(count);
    }

    /// Discards the oldest `count` bytes, which are answered.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(bytes) = &mut self.bytes {
            bytes.consume(count);
        }
    }

    /// Returns the thread's buffer, and moves what is left over to an allocation of its own. Called before every wait.
    ///
    /// # Errors
    /// If there is no memory for what is left over, which is then lost.
    pub(crate) fn park(&mut self) -> Result<(), BufferError> {
        if self.unread().is_empty() {
            self.release();
        } else if self.is_borrowed {
            self.move_to_own(0)?;
        } else if self.unread().len() <= MAX_MOVED {
            self.bytes.iter_mut().for_each(|own| own.shrink());
        }
        Ok(())
    }

    /// Stores `bytes`, which have arrived in a buffer that is not this one, in an allocation of its own of exactly their size. Nothing is
    /// unread before.
    ///
    /// # Errors
    /// If there is no memory, or the caller has let a frame grow beyond the maximum.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Result<(), BufferError> {
        debug_assert!(self.unread().is_empty(), "{self:?}");
        self.release();
        self.move_to_own(bytes.len())?;
        self.bytes.as_mut().expect("it was stored above").append(bytes)
    }

    /// Takes a buffer of its own away, for an operation of the kernel that uses it in the background. Until it is put
    /// [back](FrameBuffer::put_back), nothing is unread or allocated.
    pub(crate) fn take(&mut self) -> Option<Box<Buffer>> {
        debug_assert!(!self.is_borrowed, "{self:?}");
        self.bytes.take()
    }

    pub(crate) fn put_back(&mut self, buffer: Box<Buffer>) {
        self.bytes = Some(buffer);
    }

    /// The bytes that have arrived and are not answered, oldest first.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| bytes.unread())
    }

    /// Bytes allocated in a buffer of its own, which count against the memory limit.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes.as_ref().filter(|_| !self.is_borrowed).map_or(0, |own| own.capacity())
    }

    /// Limit of a buffer of its own, in bytes.
    fn limit(&self) -> usize {
        (self.limit_kib as usize).saturating_mul(1024)
    }

    /// Whether the next read goes into the thread's buffer.
    fn uses_thread_buffer(&self) -> bool {
        self.room == Room::Lent && self.unread().len() <= if self.is_borrowed { READ / 2 } else { MAX_MOVED }
    }

    /// Free space for the next read in a buffer of its own, in bytes. It equals the number of unread bytes, so that the number of
    /// reads for a long frame grows with the logarithm of its length.
    fn own_room(&self, wanted: usize) -> usize {
        let unread = self.unread().len();
        let room = if unread <= MAX_MOVED { wanted } else { unread.clamp(MAX_MOVED, READ) };
        room.min(self.limit().saturating_sub(unread)).max(1)
    }

    /// The thread's buffer, which then contains the bytes left over.
    fn borrow(&mut self) -> Result<&mut Buffer, BufferError> {
        if !self.is_borrowed {
            let mut lent = thread_buffer::take();
            if let Err(error) = lent.append(self.unread()) {
                thread_buffer::give_back(lent);
                return Err(error);
            }
            self.bytes = Some(lent);
            self.is_borrowed = true;
        }
        Ok(self.bytes.as_mut().expect("it was stored above"))
    }

    /// Moves what is left over, if anything, to a buffer of its own, with free space for `room` bytes.
    fn move_to_own(&mut self, room: usize) -> Result<(), BufferError> {
        let mut own = match self.room {
            Room::Lent => Buffer::new(self.limit()),
            // It is freed before each wait anyway; until then it is filled and emptied repeatedly.
            Room::Own => Buffer::retaining(self.limit()),
        };
        let moved = check_available(GROWTH_HEADROOM)
            .map_err(BufferError::from)
            .and_then(|()| own.reserve(self.unread().len() + room))
            .and_then(|()| own.append(self.unread()));
        self.release();
        moved?;
        self.bytes = Some(Box::new(own));
        Ok(())
    }

    /// Returns the buffer to the thread, or frees it.
    fn release(&mut self) {
        if let Some(lent) = self.bytes.take().filter(|_| std::mem::take(&mut self.is_borrowed)) {
            thread_buffer::give_back(lent);
        }
    }
}

impl Drop for FrameBuffer {
    fn drop(&mut self) {
        self.release();
    }
}

/// Maximum number of left-over bytes that are copied before a read. A copy of 4 KiB takes well under a microsecond, less than
/// the system call that follows.
pub(crate) const MAX_MOVED: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes arrive as reads return them.
    fn arrive(frames: &mut FrameBuffer, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = frames.room(READ).unwrap();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            frames.commit(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn a_waiting_connection_without_bytes_has_no_buffer() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        arrive(&mut frames, b"an entire line\n");
        frames.consume(15);

        frames.park().unwrap();
        assert_eq!(frames.allocated(), 0);
    }

    #[test]
    fn a_waiting_connection_has_exactly_what_is_left_over() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        arrive(&mut frames, &[7; 1000]);
        frames.consume(800);

        frames.park().unwrap();
        assert_eq!(frames.allocated(), 200);
        assert_eq!(frames.unread(), [7; 200]);
    }

    #[test]
    fn a_long_frame_is_not_copied_with_each_piece() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        let mut moves = 0;

        for piece in 0..1000 {
            arrive(&mut frames, &[piece as u8; 1000]);
            let place = frames.unread().as_ptr();
            frames.park().unwrap();
            moves += usize::from(frames.unread().as_ptr() != place);
        }

        assert_eq!(frames.unread().len(), 1_000_000);
        assert!((0..1000).all(|piece| frames.unread()[piece * 1000..][..1000] == [piece as u8; 1000]));
        assert!(moves <= 8, "{moves} moves to a buffer of its own");
        assert!(frames.allocated() <= 2_000_000, "{frames:?}");
    }

    #[test]
    fn bytes_stay_in_order_through_every_move() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let mut got = Vec::new();

        for (round, piece) in sent.chunks(977).enumerate() {
            arrive(&mut frames, piece);
            let count = frames.unread().len() / (1 + round % 7);
            got.extend_from_slice(&frames.unread()[..count]);
            frames.consume(count);
            if round % 3 == 0 {
                frames.park().unwrap();
            }
        }
        got.extend_from_slice(frames.unread());

        assert_eq!(got, sent);
    }

    #[test]
    fn allocations_are_announced_except_for_left_over_bytes() {
        for place in [Room::Lent, Room::Own] {
            let mut frames = FrameBuffer::new(1 << 20, place);
            let mut announced = 0;
            for (round, size) in (0..400).map(|round| (round, 1 + round * 7919 % 5000)) {
                let need = frames.need(READ).unwrap();
                let growth = if let Need::Growth(more) = need { more } else { 0 };
                let counted = frames.allocated() + growth;
                announced += growth;
                let room = frames.room(READ).unwrap();
                let count = room.len().min(size);
                frames.commit(count);
                assert!(frames.allocated() <= counted, "{place:?}, round {round}: {frames:?}");
                assert_eq!(need == Need::ThreadBuffer, frames.is_borrowed);
                if round % 20 == 0 {
                    frames.consume(frames.unread().len() - frames.unread().len().min(10));
                    frames.park().unwrap();
                }
                if round % 150 == 149 {
                    frames.consume(frames.unread().len());
                }
            }
            assert!(announced > 100_000, "{place:?}: long frames grew");
        }
    }
}
