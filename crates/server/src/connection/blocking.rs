//! A connection whose reads and writes block: while a write waits for the peer, nothing is read.
//!
//! It reads into a buffer of its own, which is counted, and waits for input without one.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::Connection;
use super::frames::Need;
use crate::close_reason::CloseReason;
use crate::sys;

/// A connection whose reads and writes block. Its [`ReadSize`](super::ReadSize) learns of no waits, since a blocking call does not
/// report that it blocked. It relies on the kernel's send queue.
pub(crate) type BlockingConnection = Connection<TcpStream>;

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The peer may send more.
    Open,
    /// The peer has closed its direction, and all its complete frames are answered.
    Finished,
    /// Nothing was done: reading is paused, or there is no memory until other connections, which are being closed, are gone.
    Later,
}

impl BlockingConnection {
    /// Waits for something to read, without free space in the meantime.
    pub(crate) fn wait_for_bytes(&mut self) -> Result<(), CloseReason> {
        self.park()?;
        uninterrupted(|| self.stream.peek(&mut [0]))?;
        Ok(())
    }

    /// One blocking read, then blocking writes of all complete frames.
    pub(crate) fn step(&mut self) -> Result<Progress, CloseReason> {
        if self.handle.settings().is_paused() && self.handle.entry().close_cause().is_none() {
            return Ok(Progress::Later);
        }
        // A peer that sends little gets small reads, so that many of them need little memory.
        let wanted = if self.read_size.is_streaming() {
            self.read_size.next(|| self.handle.entry().kernel_send_queue())
        } else {
            SMALL_READ
        };
        if let Need::Growth(bytes @ 1..) = self.frames.need(wanted)?
            && let Err(no_room) = self.handle.grow(bytes)
        {
            no_room.wait_or_close()?;
            return Ok(Progress::Later);
        }
        let room = self.frames.room(wanted)?;
        let wanted = room.len();
        let count = uninterrupted(|| self.stream.read(room))?;
        if count == 0 {
            return Ok(Progress::Finished);
        }
        self.record_read(count, wanted);
        loop {
            match self.complete_frames()? {
                0 => return Ok(Progress::Open),
                complete => self.write_blocking(complete)?,
            }
        }
    }

    /// Frees the buffer except for what is left over, unless more input has arrived.
    pub(crate) fn park(&mut self) -> Result<(), CloseReason> {
        if !(self.read_size.is_streaming() && sys::has_bytes(&self.stream)) {
            self.frames.park()?;
        }
        self.count_buffered(0);
        Ok(())
    }

    /// Writes the oldest `count` unread bytes.
    fn write_blocking(&mut self, mut count: usize) -> io::Result<()> {
        // Whether a write blocks is known only afterwards, so each one counts as pending.
        self.handle.set_pending_output(true);
        while count > 0 {
            let written = uninterrupted(|| self.stream.write(&self.frames.unread()[..count]))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.handle.entry().record_sent(written);
            self.frames.consume(written);
            count -= written;
        }
        self.handle.set_pending_output(false);
        Ok(())
    }
}

/// Repeats a call for as long as a signal interrupts it.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Bytes of the first read after a wait: a page, which is longer than most messages.
const SMALL_READ: usize = 4 * 1024;
