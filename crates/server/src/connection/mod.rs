//! One connection's socket, frame buffer and handle: reading, writing, and what must happen before each wait.
//!
//! A connection that waits has no buffer except for the bytes that it cannot do without, and these are counted. So each call that
//! may wait calls [`before_waiting`](Connection::before_waiting) first. A connection that needs more memory than the limit leaves
//! waits as well, [for others to close](Connection::poll_for_room), or is closed itself.

pub(crate) mod direct;
pub(crate) mod frames;
pub(crate) mod queued;
pub(crate) mod read_size;
mod reply_queue;
mod thread_buffer;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use echoctl_proto::{FrameDecoder, Full};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use self::reply_queue::ReplyQueue;

use self::frames::{FrameBuffer, Need, Room};
use self::read_size::{READ, ReadSize};
use crate::event::CloseReason;
use crate::sys;
use crate::table::{ConnectionHandle, NoRoom};

/// A connection with a peer.
#[derive(Debug)]
pub(crate) struct Connection {
    // Fields are dropped in this order: the entry must be removed before the socket closes.
    pub(crate) handle: ConnectionHandle,
    stream: TcpStream,
    pub(crate) frames: FrameBuffer,
    decoder: FrameDecoder,
    read_size: ReadSize,
    /// Bytes read since the connection last let others run.
    quantum_used: u32,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, handle: ConnectionHandle) -> Connection {
        let config = handle.config();
        let frames = FrameBuffer::new(config.longest_frame(), Room::Lent);
        let decoder = FrameDecoder::new(config.framing, config.longest_payload());
        Connection { handle, stream, frames, decoder, read_size: ReadSize::default(), quantum_used: 0 }
    }

    /// Length of the complete frames at the front of the unread bytes; 0 if more must be read first.
    pub(crate) fn complete_frames(&mut self) -> Result<usize, CloseReason> {
        self.decoder.complete_len(self.frames.unread()).map_err(|fault| self.handle.frame_error(fault))
    }

    /// Reads what has arrived, and waits if nothing has. Returns the number of bytes, 0 at the end of the stream.
    pub(crate) fn read(&mut self) -> impl Future<Output = Result<usize, CloseReason>> {
        poll_fn(|cx| self.poll_read(cx, 0))
    }

    /// Writes the oldest `count` unread bytes, and waits while the kernel accepts no more. This wait *is* the backpressure:
    /// nothing is read in the meantime.
    pub(crate) fn write_all(&mut self, mut count: usize) -> impl Future<Output = Result<(), CloseReason>> {
        poll_fn(move |cx| {
            while count > 0 {
                count -= ready!(self.poll_write(cx, count))?;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Reads once into the frame buffer. `queued` bytes are allocated elsewhere for the same peer.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        queued: usize,
    ) -> Poll<Result<usize, CloseReason>> {
        ready!(self.poll_quantum(cx, queued))?;
        let wanted = if queued > 0 { READ } else { self.read_size.next(|| self.handle.send_queue()) };
        if let Err(no_room) = self.count_need(wanted, queued)? {
            return self.poll_for_room(cx, no_room, queued);
        }
        let mut room = ReadBuf::new(self.frames.room(wanted)?);
        let read = match Pin::new(&mut self.stream).poll_read(cx, &mut room) {
            Poll::Pending => sys::read_past_mark(&self.stream, &mut room),
            ready => ready,
        };
        match read {
            Poll::Ready(Ok(())) => {
                let count = room.filled().len();
                self.read_size.record_read(count, room.capacity());
                self.frames.commit(count);
                self.handle.record_received(count);
                self.quantum_used = self.quantum_used.saturating_add(count as u32);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => {
                self.read_size.record_wait();
                self.before_waiting(queued, queued > 0)?;
                Poll::Pending
            }
        }
    }

    /// Counts the memory that the next read needs. While the memory limit is not near, that costs one load.
    fn count_need(&self, wanted: usize, queued: usize) -> Result<Result<(), NoRoom>, Full> {
        let need = self.frames.need(wanted)?;
        if need == Need::Growth(0) || (need == Need::ThreadBuffer && self.handle.has_room()) {
            return Ok(Ok(()));
        }
        // First subtracts what was freed since the last wait.
        self.count_buffered(queued);
        Ok(match need {
            Need::ThreadBuffer => self.handle.make_room(),
            Need::Growth(bytes) => self.handle.grow(bytes),
        })
    }

    /// Handles a lack of room: fails, or waits for other connections to close. These have been woken, so this task only lets
    /// all tasks that are ready run before it tries again.
    pub(crate) fn poll_for_room<T>(
        &mut self,
        cx: &mut Context<'_>,
        no_room: NoRoom,
        queued: usize,
    ) -> Poll<Result<T, CloseReason>> {
        match no_room {
            NoRoom::Soon => {}
            NoRoom::Closing => return Poll::Ready(Err(CloseReason::MemoryLimit)),
            NoRoom::OutOfMemory => return Poll::Ready(Err(CloseReason::OutOfMemory)),
        }
        self.before_waiting(queued, queued > 0)?;
        if poll_yield(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Writes at most the oldest `count` bytes of the frame buffer, once, and consumes what was written.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        count: usize,
    ) -> Poll<Result<usize, CloseReason>> {
        match Pin::new(&mut self.stream).poll_write(cx, &self.frames.unread()[..count]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
            Poll::Ready(Ok(written)) => {
                self.frames.consume(written);
                self.handle.record_sent(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => {
                self.read_size.record_wait();
                self.before_waiting(0, true)?;
                Poll::Pending
            }
        }
    }

    /// Writes the oldest `count` bytes, of which the first `written` are written already, until the kernel accepts no more.
    /// Returns how many are written then. None of them is consumed.
    pub(crate) fn write_in_place(
        &mut self,
        cx: &mut Context<'_>,
        mut written: usize,
        count: usize,
    ) -> io::Result<usize> {
        while written < count {
            match Pin::new(&mut self.stream).poll_write(cx, &self.frames.unread()[written..count]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(more)) => {
                    self.handle.record_sent(more);
                    written += more;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(written)
    }

    /// Writes bytes from elsewhere, once. It does not park the frame buffer; the caller does that before it waits.
    pub(crate) fn poll_write_bytes(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.handle.record_sent(count);
        }
        written
    }

    /// Yields once after a quantum, so that other connections on this thread run.
    fn poll_quantum(&mut self, cx: &mut Context<'_>, queued: usize) -> Poll<Result<(), CloseReason>> {
        if self.quantum_used < QUANTUM || self.handle.has_thread_to_itself() {
            return Poll::Ready(Ok(()));
        }
        self.before_waiting(queued, queued > 0)?;
        poll_yield(cx).map(Ok)
    }

    /// Frees what a waiting connection does not need, and counts the rest: the frame buffer, and `queued` bytes allocated
    /// elsewhere. `pending_output` is whether it waits for the peer to read.
    pub(crate) fn before_waiting(&mut self, queued: usize, pending_output: bool) -> Result<(), CloseReason> {
        self.quantum_used = 0;
        self.frames.park()?;
        self.handle.set_pending_output(pending_output);
        self.count_buffered(queued);
        Ok(())
    }

    /// Counts what the connection buffers now: its frame buffer, and `queued` bytes allocated elsewhere.
    pub(crate) fn count_buffered(&self, queued: usize) {
        self.handle.set_buffered(self.frames.allocated() + queued);
    }

    /// Closes the connection, which ended with `end`.
    pub(crate) fn close(self, end: Result<(), CloseReason>) {
        let Connection { handle, stream, frames, .. } = self;
        // Freed before it is counted as freed.
        drop(frames);
        handle.close(stream, end);
    }
}

/// Pending. The task is woken after all ready tasks have run and the sockets were polled. The future that arranges this is not
/// polled again: the caller records that it has yielded.
fn poll_yield(cx: &mut Context<'_>) -> Poll<()> {
    pin!(tokio::task::yield_now()).poll(cx)
}

/// Bytes that a connection reads before it lets others run: eight ordinary reads, or four large ones. Each yield costs a poll of
/// all sockets, and each byte delays the other connections. Measured on 2 cores, with 8 peers that ping while 16 others stream,
/// and as throughput of 32 streams relative to a loop that leaves yielding to tokio (64 reads):
///
/// | quantum | 99th percentile of the pings | throughput |
/// |---|---|---|
/// | 256 KiB | 2.0 ms | 0.95 |
/// | 512 KiB | 3.7 ms | 1.00 |
/// | 1 MiB | 7.0 ms | 1.06 |
/// | 2 MiB | 13.9 ms | 1.03 |
/// | tokio's | 29.8 ms | 1 |
pub(crate) const QUANTUM: u32 = 8 * READ as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_fits_into_the_smallest_task() {
        fn size<F>(_: impl FnOnce(Connection) -> F) -> usize {
            size_of::<F>()
        }

        let size = size(direct::serve);

        assert!(size <= 160, "{size} bytes");
    }
}
