//! The frame buffer of a connection: bytes that have arrived and are not yet answered.
//!
//! It lives in one of two places, and moves only at the two moments when that is cheap:
//!
//! ```text
//!             room(), few bytes left over             settle(), before waiting
//!   own  ------------------------------->  spare  ------------------------------->  own
//!   exactly what is left, often nothing    room for a read, the thread's            exactly what is left
//! ```
//!
//! A long unfinished frame (more than [`MAX_MOVED`] bytes after a wait, or half of a read) stays in `own` and grows there by
//! doubling, since moving it to and fro with each piece that arrives would copy it again and again. So a waiting connection
//! holds the bytes that it must hold and no room, and one that waits in the middle of a long frame at most twice as much.
//!
//! A connection with a thread of its own has no thread to borrow from: all its room is its own ([`Room::Own`]).
//!
//! **What counts.** The capacity of `own` counts against the memory limit; the caller asks [`need`](FrameBuffer::need) and
//! counts growth before [`room`](FrameBuffer::room) allocates it. The threads' buffers do not count: each worker has one.
//! What is left over in one moves to `own` without a question, since it is there already. So the limit may be exceeded by one
//! read for each worker, and by no more, because a connection may not borrow while the limit is reached.

use echoctl_proto::{Buffer, BufferError, Full};

use crate::memory::{GROWTH_HEADROOM, check_available};
use crate::read_size::{LARGE_READ, READ};
use crate::thread_buffer;

/// Bytes that arrived and are not yet answered, in a buffer that is there only while it is needed.
///
/// It is small itself, since every idle connection has one.
#[derive(Debug)]
pub(crate) struct FrameBuffer {
    /// `None` while nothing is unread.
    bytes: Option<Box<Buffer>>,
    /// Whether `bytes` is lent by the thread.
    is_borrowed: bool,
    room: Room,
    /// The limit in bytes of a buffer of its own.
    limit: usize,
}

/// Where a connection has the room for a read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// The thread that runs it lends its buffer, for as long as it runs it.
    Lent,
    /// It allocates its own.
    Own,
}

/// What the room for the next read takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The thread's buffer.
    ThreadBuffer,
    /// So many bytes more in a buffer of its own; 0 when there is room.
    Growth(usize),
}

impl FrameBuffer {
    /// A buffer for frames of at most `longest` bytes, marks included. It allocates nothing.
    pub(crate) fn new(longest: usize, room: Room) -> FrameBuffer {
        // One read more than the longest frame: the one that finds its end, with what came behind it.
        FrameBuffer { bytes: None, is_borrowed: false, room, limit: longest.saturating_add(LARGE_READ) }
    }

    /// What [`room`](FrameBuffer::room) for `wanted` bytes will take.
    ///
    /// # Errors
    /// [`Full`] when the caller has let a frame grow longer than it said.
    pub(crate) fn need(&self, wanted: usize) -> Result<Need, Full> {
        if self.uses_thread_buffer() {
            return Ok(Need::ThreadBuffer);
        }
        let unread = self.unread().len();
        let room = self.own_room(wanted);
        Ok(Need::Growth(match &self.bytes {
            Some(own) if !self.is_borrowed => own.growth(room)?,
            _ => Buffer::new(self.limit).growth(unread + room)?,
        }))
    }

    /// Room for the next read, at least one byte: in the thread's spare buffer, so that it holds `wanted` bytes with those left
    /// over; or, while a long frame is under way or nobody lends one, in its own.
    ///
    /// # Errors
    /// When there is no memory, or the caller has let a frame grow longer than it said.
    pub(crate) fn room(&mut self, wanted: usize) -> Result<&mut [u8], BufferError> {
        if self.uses_thread_buffer() {
            let room = wanted - self.unread().len();
            return Ok(&mut self.borrow()?.spare(room)?[..room]);
        }
        let room = self.own_room(wanted);
        if self.is_borrowed || self.bytes.is_none() {
            self.move_to_own(room)?;
        }
        self.bytes.as_mut().expect("it was put there above").spare(room)
    }

    /// Counts the first `count` bytes of the room as arrived.
    pub(crate) fn commit(&mut self, count: usize) {
        self.bytes.as_mut().expect("room was lent in it").commit(count);
    }

    /// Forgets the oldest `count` bytes: they are answered.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(bytes) = &mut self.bytes {
            bytes.consume(count);
        }
    }

    /// Gives the spare buffer back and keeps what is left. Called before every wait.
    ///
    /// # Errors
    /// When there is no memory for what is left: it is lost.
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

    /// The bytes that arrived and are not answered, oldest first.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| bytes.unread())
    }

    /// Bytes allocated in a buffer of its own: what counts against the memory limit.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes.as_ref().filter(|_| !self.is_borrowed).map_or(0, |own| own.capacity())
    }

    /// Whether the next read goes into the thread's buffer.
    fn uses_thread_buffer(&self) -> bool {
        self.room == Room::Lent && self.unread().len() <= if self.is_borrowed { READ / 2 } else { MAX_MOVED }
    }

    /// Bytes of room for the next read in a buffer of its own. As much again as there is already: a long frame is read in a
    /// number of pieces that grows with its logarithm.
    fn own_room(&self, wanted: usize) -> usize {
        let unread = self.unread().len();
        let room = if unread <= MAX_MOVED { wanted } else { unread.clamp(MAX_MOVED, READ) };
        room.min(self.limit.saturating_sub(unread)).max(1)
    }

    /// The thread's spare buffer, with the bytes left over in it.
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
        Ok(self.bytes.as_mut().expect("it was put there above"))
    }

    /// Moves what is left over, if anything, to a buffer of its own, with room for `room` more.
    fn move_to_own(&mut self, room: usize) -> Result<(), BufferError> {
        let mut own = match self.room {
            Room::Lent => Buffer::new(self.limit),
            // It is given up before each wait anyway; meanwhile it is filled and emptied again and again.
            Room::Own => Buffer::retaining(self.limit),
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

    /// Gives the buffer back to the thread, or frees it.
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

/// The most left-over bytes that are copied in front of a read. A copy of 4 KiB takes well under a microsecond, less than
/// the system call that follows it.
const MAX_MOVED: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes come as reads give them.
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
    fn a_waiting_connection_with_nothing_left_over_holds_nothing() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        arrive(&mut frames, b"a whole frame\n");
        frames.consume(14);

        frames.park().unwrap();
        assert_eq!(frames.allocated(), 0);
    }

    #[test]
    fn a_waiting_connection_holds_what_is_left_over_and_no_room() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        arrive(&mut frames, &[7; 1000]);
        frames.consume(800);

        frames.park().unwrap();
        assert_eq!(frames.allocated(), 200);
        assert_eq!(frames.unread(), [7; 200]);
    }

    #[test]
    fn a_long_frame_in_pieces_is_copied_a_few_times_and_not_with_each_piece() {
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
        assert!(moves <= 8, "{moves} moves into a buffer of its own");
        assert!(frames.allocated() <= 2_000_000, "{frames:?}");
    }

    #[test]
    fn bytes_keep_their_order_through_every_move() {
        let mut frames = FrameBuffer::new(1 << 20, Room::Lent);
        let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let mut got = Vec::new();

        for (turn, piece) in sent.chunks(977).enumerate() {
            arrive(&mut frames, piece);
            let count = frames.unread().len() / (1 + turn % 7);
            got.extend_from_slice(&frames.unread()[..count]);
            frames.consume(count);
            if turn % 3 == 0 {
                frames.park().unwrap();
            }
        }
        got.extend_from_slice(frames.unread());

        assert_eq!(got, sent);
    }

    #[test]
    fn what_is_allocated_was_announced_unless_one_read_left_it_over() {
        for place in [Room::Lent, Room::Own] {
            let mut frames = FrameBuffer::new(1 << 20, place);
            let mut announced = 0;
            for (turn, size) in (0..400).map(|turn| (turn, 1 + turn * 7919 % 5000)) {
                let need = frames.need(READ).unwrap();
                let growth = if let Need::Growth(more) = need { more } else { 0 };
                let counted = frames.allocated() + growth;
                announced += growth;
                let room = frames.room(READ).unwrap();
                let count = room.len().min(size);
                frames.commit(count);
                assert!(frames.allocated() <= counted, "{place:?}, turn {turn}: {frames:?}");
                assert_eq!(need == Need::ThreadBuffer, frames.is_borrowed);
                if turn % 20 == 0 {
                    frames.consume(frames.unread().len() - frames.unread().len().min(10));
                    frames.park().unwrap();
                }
                if turn % 150 == 149 {
                    frames.consume(frames.unread().len());
                }
            }
            assert!(announced > 100_000, "{place:?}: long frames grew");
        }
    }
}
