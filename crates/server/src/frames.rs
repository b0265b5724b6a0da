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
//! A long unfinished frame (more than [`MOVED`] bytes after a wait, or half of a read) stays in `own` and grows there by
//! doubling, since moving it to and fro with each piece that arrives would copy it again and again. So a waiting connection
//! holds the bytes that it must hold and no room, and one that waits in the middle of a long frame at most twice as much.

use echoctl_proto::{Buffer, Full};

use crate::read_size::{LARGE_READ, READ};
use crate::spare;

/// Bytes that arrived and are not yet answered, in a buffer that is there only while it is needed.
///
/// It is small itself, since every idle connection has one.
#[derive(Debug)]
pub(crate) struct FrameBuffer {
    /// `None` while nothing is unread.
    bytes: Option<Box<Buffer>>,
    /// Whether `bytes` is lent by the thread.
    is_spare: bool,
    /// The limit in bytes of a buffer of its own.
    limit: usize,
}

impl FrameBuffer {
    /// A buffer for frames of at most `longest` bytes, marks included. It allocates nothing.
    pub(crate) fn new(longest: usize) -> FrameBuffer {
        // One read more than the longest frame: the one that finds its end, with what came behind it.
        FrameBuffer { bytes: None, is_spare: false, limit: longest.saturating_add(LARGE_READ) }
    }

    /// Room for the next read, at least one byte: in the thread's spare buffer, so that it holds `wanted` bytes with those left
    /// over; or, while a long frame is under way, in its own.
    ///
    /// # Errors
    /// [`Full`] when the caller has let a frame grow longer than it said.
    pub(crate) fn room(&mut self, wanted: usize) -> Result<&mut [u8], Full> {
        let unread = self.unread().len();
        if unread <= if self.is_spare { READ / 2 } else { MOVED } {
            let room = wanted - unread;
            return Ok(&mut self.lend().spare(room)?[..room]);
        }
        if self.is_spare {
            self.settle();
        }
        // As much again as there is already: a long frame is read in a number of pieces that grows with its logarithm.
        let wanted = unread.clamp(MOVED, READ).min(self.limit - unread).max(1);
        self.bytes.as_mut().expect("it holds the unread bytes").spare(wanted)
    }

    /// Counts the first `count` bytes of the room as arrived.
    pub(crate) fn filled(&mut self, count: usize) {
        self.bytes.as_mut().expect("room was lent in it").filled(count);
    }

    /// Forgets the oldest `count` bytes: they are answered.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(bytes) = &mut self.bytes {
            bytes.consume(count);
        }
    }

    /// Gives the spare buffer back and keeps what is left. Called before every wait. Returns the bytes allocated.
    pub(crate) fn settle(&mut self) -> usize {
        if std::mem::take(&mut self.is_spare) {
            let spare = self.bytes.take().expect("the spare buffer is lent");
            self.keep(spare.unread());
            spare::give_back(spare);
        } else if self.unread().is_empty() {
            self.bytes = None;
        } else if self.unread().len() <= MOVED {
            self.bytes.iter_mut().for_each(|own| own.shrink());
        }
        self.bytes.as_ref().map_or(0, |own| own.capacity())
    }

    /// The bytes that arrived and are not answered, oldest first.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| bytes.unread())
    }

    /// The thread's spare buffer, with the bytes left over in it.
    fn lend(&mut self) -> &mut Buffer {
        if !self.is_spare {
            let mut spare = spare::take();
            spare.append(self.unread()).expect("few bytes are left over, and the spare is empty");
            self.bytes = Some(spare);
            self.is_spare = true;
        }
        self.bytes.as_mut().expect("it was put there above")
    }

    fn keep(&mut self, unread: &[u8]) {
        if !unread.is_empty() {
            let mut own = Buffer::new(self.limit);
            own.append(unread).expect("the limit has room for one read");
            self.bytes = Some(Box::new(own));
        }
    }
}

impl Drop for FrameBuffer {
    fn drop(&mut self) {
        if let Some(spare) = self.bytes.take().filter(|_| self.is_spare) {
            spare::give_back(spare);
        }
    }
}

/// The most left-over bytes that are copied in front of a read. A copy of 4 KiB takes well under a microsecond, less than
/// the system call that follows it.
const MOVED: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes come as reads give them.
    fn arrive(frames: &mut FrameBuffer, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = frames.room(READ).unwrap();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            frames.filled(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn a_waiting_connection_with_nothing_left_over_holds_nothing() {
        let mut frames = FrameBuffer::new(1 << 20);
        arrive(&mut frames, b"a whole frame\n");
        frames.consume(14);

        assert_eq!(frames.settle(), 0);
    }

    #[test]
    fn a_waiting_connection_holds_what_is_left_over_and_no_room() {
        let mut frames = FrameBuffer::new(1 << 20);
        arrive(&mut frames, &[7; 1000]);
        frames.consume(800);

        assert_eq!(frames.settle(), 200);
        assert_eq!(frames.unread(), [7; 200]);
    }

    #[test]
    fn a_long_frame_in_pieces_is_copied_a_few_times_and_not_with_each_piece() {
        let mut frames = FrameBuffer::new(1 << 20);
        let mut moves = 0;

        for piece in 0..1000 {
            arrive(&mut frames, &[piece as u8; 1000]);
            let place = frames.unread().as_ptr();
            frames.settle();
            moves += usize::from(frames.unread().as_ptr() != place);
        }

        assert_eq!(frames.unread().len(), 1_000_000);
        assert!((0..1000).all(|piece| frames.unread()[piece * 1000..][..1000] == [piece as u8; 1000]));
        assert!(moves <= 8, "{moves} moves into a buffer of its own");
        assert!(frames.settle() <= 2_000_000, "{frames:?}");
    }

    #[test]
    fn bytes_keep_their_order_through_every_move() {
        let mut frames = FrameBuffer::new(1 << 20);
        let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let mut got = Vec::new();

        for (turn, piece) in sent.chunks(977).enumerate() {
            arrive(&mut frames, piece);
            let count = frames.unread().len() / (1 + turn % 7);
            got.extend_from_slice(&frames.unread()[..count]);
            frames.consume(count);
            if turn % 3 == 0 {
                frames.settle();
            }
        }
        got.extend_from_slice(frames.unread());

        assert_eq!(got, sent);
    }
}
