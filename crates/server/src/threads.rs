//! A thread a connection, with blocking calls: backpressure for free.
//!
//! A thread that is blocked in a write cannot read. Nothing had to be written to get that; what it costs is a stack and a
//! buffer for each connection, and the kernel's scheduler between them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

use echoctl_proto::Cutter;
use socket2::SockRef;

use crate::connection::longest_frame;
use crate::event::Reason;
use crate::frames::FrameBuffer;
use crate::read_size::ReadSize;
use crate::seat::Seat;

/// Serves a connection on a thread of its own.
///
/// # Errors
/// When the kernel gives no thread; the connection is then closed.
pub(crate) fn serve(stream: TcpStream, seat: Seat) -> io::Result<()> {
    let connection = BlockingConnection::new(stream, seat);
    thread::Builder::new()
        .name("connection".to_owned())
        .stack_size(STACK)
        .spawn(move || connection.serve())?;
    Ok(())
}

/// A connection whose reads and writes block.
#[derive(Debug)]
pub(crate) struct BlockingConnection {
    // Fields are dropped in this order: the seat must be left before the socket closes.
    seat: Seat,
    pub(crate) stream: TcpStream,
    frames: FrameBuffer,
    cutter: Cutter,
    /// It is never told of a wait, since a call that blocked does not say so: what the kernel's send queue holds must do.
    read_size: ReadSize,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The peer may send more.
    Open,
    /// The peer has closed its direction, and all its whole frames are answered.
    Finished,
}

impl BlockingConnection {
    pub(crate) fn new(stream: TcpStream, seat: Seat) -> BlockingConnection {
        let config = seat.config();
        let cutter = Cutter::new(config.framing, config.max_frame);
        let frames = FrameBuffer::new(longest_frame(config));
        BlockingConnection { seat, stream, frames, cutter, read_size: ReadSize::default() }
    }

    /// Turns until the connection ends.
    fn serve(mut self) {
        let end = loop {
            match self.turn() {
                Ok(Progress::Open) => {}
                Ok(Progress::Finished) => break Ok(()),
                Err(reason) => break Err(reason),
            }
        };
        self.close(end);
    }

    /// One blocking read, then blocking writes of all the whole frames there are.
    pub(crate) fn turn(&mut self) -> Result<Progress, Reason> {
        let wanted = self.read_size.next(|| self.seat.send_queue());
        let room = self.frames.room(wanted).map_err(io::Error::other)?;
        let asked = room.len();
        let count = match self.stream.read(room) {
            Ok(0) => return Ok(Progress::Finished),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Progress::Open),
            Err(error) => return Err(error.into()),
        };
        self.read_size.read(count, asked);
        self.frames.filled(count);
        self.seat.received(count);
        loop {
            match self.cutter.whole(self.frames.unread())? {
                0 => return Ok(Progress::Open),
                whole => self.write_all(whole)?,
            }
        }
    }

    /// Gives the thread's buffer back, for a thread that serves others before it comes back here: `one_thread`, which needs
    /// poll(2).
    #[cfg(unix)]
    pub(crate) fn settle(&mut self) {
        let held = self.frames.settle();
        self.seat.holds(held, false);
    }

    pub(crate) fn close(self, end: Result<(), Reason>) {
        let reason = match self.seat.ending() {
            Some(ending) => ending.into(),
            None => end.err().unwrap_or(Reason::Eof),
        };
        if reason.resets() {
            // An error means that there is nothing left to reset.
            let _ = SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
        }
        let BlockingConnection { mut seat, stream, .. } = self;
        seat.leave(reason);
        drop(stream);
        // Last, because it says that the connection is gone altogether.
        drop(seat);
    }

    fn write_all(&mut self, whole: usize) -> Result<(), Reason> {
        let mut left = whole;
        while left > 0 {
            // Whether a write blocks is known when it is too late to say so, so each is announced.
            self.seat.holds(self.frames.unread().len(), true);
            match self.stream.write(&self.frames.unread()[..left]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => {
                    self.seat.sent(written);
                    self.frames.consume(written);
                    left -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.seat.holds(self.frames.unread().len(), false);
        Ok(())
    }
}

/// Bytes of a thread's stack: its calls are a few frames deep and keep nothing large there. Untouched pages cost nothing.
const STACK: usize = 128 * 1024;
