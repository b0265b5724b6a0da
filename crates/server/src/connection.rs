//! One connection's socket, frame buffer and seat: reading and writing, and what must happen before each wait.
//!
//! A connection that waits holds no buffer but the bytes it cannot do without, and is counted with those. So each call that
//! may wait ends in [`before_waiting`](Connection::before_waiting) when it does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use echoctl_proto::Framing;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::config::Config;
use crate::event::Reason;
use crate::frames::FrameBuffer;
use crate::seat::Seat;

/// A connection with a peer.
#[derive(Debug)]
pub(crate) struct Connection {
    // Fields are dropped in this order: the seat must be left before the socket closes.
    pub(crate) seat: Seat,
    stream: TcpStream,
    pub(crate) frames: FrameBuffer,
    /// Reads since the connection last let others run.
    turns: u8,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, seat: Seat) -> Connection {
        let frames = FrameBuffer::new(longest_frame(seat.config()));
        Connection { seat, stream, frames, turns: 0 }
    }

    /// Reads what there is, and waits for something if there is nothing. Returns the number of bytes, 0 at the end of the
    /// stream.
    pub(crate) async fn read(&mut self) -> io::Result<usize> {
        self.let_others_run().await;
        std::future::poll_fn(|cx| self.poll_read(cx, 0)).await
    }

    /// Writes the oldest `count` unread bytes, and waits while the kernel takes no more. This wait *is* the backpressure:
    /// meanwhile nothing is read.
    pub(crate) async fn write_all(&mut self, mut count: usize) -> io::Result<()> {
        while count > 0 {
            count -= std::future::poll_fn(|cx| self.poll_write(cx, count)).await?;
        }
        Ok(())
    }

    /// Gives the other connections of this thread their turn, when this one has had enough of them in a row.
    pub(crate) async fn let_others_run(&mut self) {
        if self.turns >= TURNS {
            self.turns = 0;
            self.frames.settle();
            tokio::task::yield_now().await;
        }
    }

    /// One read into the frame buffer. `queued` bytes wait elsewhere for the same peer.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, queued: usize) -> Poll<io::Result<usize>> {
        let room = self.frames.room().map_err(io::Error::other)?;
        let mut room = ReadBuf::new(room);
        match Pin::new(&mut self.stream).poll_read(cx, &mut room) {
            Poll::Ready(Ok(())) => {
                let count = room.filled().len();
                self.frames.filled(count);
                self.seat.received(count);
                self.turns += 1;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.before_waiting(queued, queued > 0);
                Poll::Pending
            }
        }
    }

    /// One write of at most the oldest `count` bytes of the frame buffer, which forgets what was written.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, &self.frames.unread()[..count]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                self.frames.consume(written);
                self.seat.sent(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.before_waiting(0, true);
                Poll::Pending
            }
        }
    }

    /// Writes of the oldest `count` bytes until they are all written or the kernel takes no more. Returns how many it took;
    /// the frame buffer keeps them all. Pending when it took none: the caller puts them elsewhere and goes on.
    pub(crate) fn poll_write_whole(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        let mut written = 0;
        while written < count {
            match Pin::new(&mut self.stream).poll_write(cx, &self.frames.unread()[written..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => {
                    self.seat.sent(more);
                    written += more;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if written == 0 { Poll::Pending } else { Poll::Ready(Ok(written)) }
    }

    /// One write of bytes that lie elsewhere. It leaves the frame buffer alone, so the caller sees to it before it waits.
    pub(crate) fn poll_write_bytes(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.seat.sent(count);
        }
        written
    }

    /// Gives back what a waiting connection does not need, and counts the rest: the frame buffer, and `queued` bytes
    /// elsewhere. `owes` says whether the peer has bytes to take.
    pub(crate) fn before_waiting(&mut self, queued: usize, owes: bool) {
        self.turns = 0;
        let buffered = self.frames.settle();
        self.seat.holds(buffered + queued, owes);
    }

    /// Closes the socket and tells why: the reason of whoever ended it from outside, if somebody did.
    pub(crate) fn close(self, end: Result<(), Reason>) {
        let reason = match self.seat.ending() {
            Some(ending) => ending.into(),
            None => end.err().unwrap_or(Reason::Eof),
        };
        if reason.resets() {
            // An error means that there is nothing left to reset.
            let _ = SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
        }
        let Connection { mut seat, stream, frames, .. } = self;
        seat.leave(reason);
        drop(frames);
        drop(stream);
        // Last, because it says that the connection is gone altogether.
        drop(seat);
    }
}

/// Bytes of the longest frame that a server with these settings accepts, marks included.
pub(crate) fn longest_frame(config: &Config) -> usize {
    match config.framing {
        Framing::Raw => 0,
        framing => config.max_frame.saturating_add(framing.overhead()),
    }
}

/// Reads in a row before a connection lets others run: 4 × 64 KiB. Tokio's own budget allows 64, and then one busy peer
/// makes another wait for tens of milliseconds; one read in a row costs a poll of all sockets each time.
const TURNS: u8 = 4;
