//! One thread per connection, with blocking calls: backpressure for free.
//!
//! A thread that is blocked in a write cannot read. No code is needed for that. It costs a stack per connection, and the kernel's
//! scheduler switches between them. The buffer is the connection's own and is counted; it waits for input without one.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echoctl_proto::FrameDecoder;

use crate::connection::frames::{FrameBuffer, Need, Room};
use crate::connection::read_size::ReadSize;
use crate::event::CloseReason;
use crate::memory;
use crate::table::ConnectionHandle;
use crate::table::NoRoom;

/// Serves a connection on a thread of its own.
///
/// # Errors
/// If no thread can be started. The connection is then closed, and its end is reported.
pub(crate) fn serve(stream: TcpStream, handle: ConnectionHandle) -> io::Result<()> {
    let connection = BlockingConnection::new(stream, handle);
    // Passed to the thread once it runs. A closure that never runs would drop the connection without a reason, and if threads
    // were created faster than they start, each would find room where there is room for only one (see `check_thread_headroom`).
    let (sender, handed_over) = mpsc::sync_channel::<BlockingConnection>(0);
    let thread = check_thread_headroom().and_then(|()| {
        thread::Builder::new().name("connection".to_owned()).stack_size(STACK).spawn(move || {
            if let Ok(connection) = handed_over.recv() {
                connection.serve();
            }
        })
    });
    match thread {
        Ok(_) => {
            // The thread is waiting for it, so this cannot fail.
            let _ = sender.send(connection);
            Ok(())
        }
        Err(error) => {
            connection.close(Err(CloseReason::OutOfMemory));
            Err(error)
        }
    }
}

/// A connection whose reads and writes block.
#[derive(Debug)]
pub(crate) struct BlockingConnection {
    // Fields are dropped in this order: the entry must be removed before the socket closes.
    handle: ConnectionHandle,
    pub(crate) stream: TcpStream,
    frames: FrameBuffer,
    decoder: FrameDecoder,
    /// It learns of no waits, since a blocking call does not report that it blocked. It relies on the kernel's send queue.
    read_size: ReadSize,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The peer may send more.
    Open,
    /// The peer has closed its direction, and all its complete frames are answered.
    Finished,
    /// Nothing was done: there is no memory until other connections, which are being closed, are gone.
    NoRoom,
}

impl BlockingConnection {
    pub(crate) fn new(stream: TcpStream, handle: ConnectionHandle) -> BlockingConnection {
        let config = handle.config();
        let decoder = FrameDecoder::new(config.framing, config.longest_payload());
        let frames = FrameBuffer::new(config.longest_frame(), Room::Own);
        BlockingConnection { handle, stream, frames, decoder, read_size: ReadSize::default() }
    }

    /// Serves until the connection closes.
    fn serve(mut self) {
        let mut pause = FIRST_PAUSE;
        let end = loop {
            match self.wait_for_bytes().and_then(|()| self.step()) {
                Ok(Progress::Open) => pause = FIRST_PAUSE,
                Ok(Progress::NoRoom) => {
                    thread::sleep(pause);
                    pause = LONGEST_PAUSE.min(2 * pause);
                }
                Ok(Progress::Finished) => break Ok(()),
                Err(reason) => break Err(reason),
            }
        };
        self.close(end);
    }

    /// Waits for something to read, without free space in the meantime.
    fn wait_for_bytes(&mut self) -> Result<(), CloseReason> {
        self.park()?;
        loop {
            match self.stream.peek(&mut [0]) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One blocking read, then blocking writes of all complete frames.
    pub(crate) fn step(&mut self) -> Result<Progress, CloseReason> {
        // A peer that sends little gets small reads, so that many of them need little memory.
        let wanted = match self.read_size.is_streaming() {
            true => self.read_size.next(|| self.handle.send_queue()),
            false => SMALL_READ,
        };
        if let Need::Growth(bytes @ 1..) = self.frames.need(wanted)? {
            match self.handle.grow(bytes) {
                Ok(()) => {}
                Err(NoRoom::Soon) => return Ok(Progress::NoRoom),
                Err(NoRoom::Closing) => return Err(CloseReason::MemoryLimit),
                Err(NoRoom::OutOfMemory) => return Err(CloseReason::OutOfMemory),
            }
        }
        let room = self.frames.room(wanted)?;
        let asked = room.len();
        let count = match self.stream.read(room) {
            Ok(0) => return Ok(Progress::Finished),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Progress::Open),
            Err(error) => return Err(error.into()),
        };
        self.read_size.record_read(count, asked);
        self.frames.commit(count);
        self.handle.record_received(count);
        loop {
            match self
                .decoder
                .complete_len(self.frames.unread())
                .map_err(|fault| self.handle.frame_error(fault))?
            {
                0 => return Ok(Progress::Open),
                complete => self.write_all(complete)?,
            }
        }
    }

    /// Frees the buffer except for what is left over, unless more input has arrived.
    pub(crate) fn park(&mut self) -> Result<(), CloseReason> {
        if !(self.read_size.is_streaming() && has_bytes(&self.stream)) {
            self.frames.park()?;
        }
        self.handle.set_buffered(self.frames.allocated());
        Ok(())
    }

    /// Closes the connection, which ended with `end`.
    pub(crate) fn close(self, end: Result<(), CloseReason>) {
        let BlockingConnection { handle, stream, frames, .. } = self;
        drop(frames);
        handle.close(stream, end);
    }

    fn write_all(&mut self, count: usize) -> Result<(), CloseReason> {
        let mut left = count;
        // Whether a write blocks is known only afterwards, so each one counts as pending.
        self.handle.set_pending_output(true);
        while left > 0 {
            match self.stream.write(&self.frames.unread()[..left]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => {
                    self.handle.record_sent(written);
                    self.frames.consume(written);
                    left -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.handle.set_pending_output(false);
        Ok(())
    }
}

/// Checks that there is address space for a thread, and some more.
///
/// The standard library allocates a signal stack for each new thread, and aborts the process if there is no memory for it, so a
/// thread must not be started with the last of it.
///
/// # Errors
/// If there is not enough.
pub(crate) fn check_thread_headroom() -> io::Result<()> {
    Ok(memory::check_available(THREAD_HEADROOM)?)
}

/// Bytes of address space: a stack (2 MiB by default), a signal stack, and what other threads may allocate in the meantime. They
/// are not touched, so the check costs two system calls.
const THREAD_HEADROOM: usize = 4 << 20;

/// Whether there is something to read now.
#[cfg(unix)]
fn has_bytes(stream: &TcpStream) -> bool {
    let (socket, flags) = (socket2::SockRef::from(stream), libc::MSG_PEEK | libc::MSG_DONTWAIT);
    socket.recv_with_flags(&mut [MaybeUninit::uninit()], flags).is_ok_and(|count| count > 0)
}

/// This cannot be determined here without waiting, so a stream that stops keeps its buffer, which is counted.
#[cfg(not(unix))]
fn has_bytes(_: &TcpStream) -> bool {
    true
}

/// Bytes of the first read after a wait: a page, which is longer than most messages.
const SMALL_READ: usize = 4 * 1024;

/// How long to wait for memory. The connections that are being closed are awake already, and need the CPU for a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Bytes of a thread's stack: its calls are a few levels deep and store nothing large there. Untouched pages cost nothing.
const STACK: usize = 128 * 1024;
