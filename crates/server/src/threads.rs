//! A thread a connection, with blocking calls: backpressure for free.
//!
//! A thread that is blocked in a write cannot read. Nothing had to be written to get that; what it costs is a stack for each
//! connection, and the kernel's scheduler between them. Its buffer is its own and is counted; it waits for bytes without it.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echoctl_proto::FrameDecoder;
use socket2::SockRef;

use crate::connection_handle::ConnectionHandle;
use crate::event::CloseReason;
use crate::frames::{FrameBuffer, Need, Room};
use crate::memory;
use crate::read_size::ReadSize;
use crate::shared::NoRoom;

/// Serves a connection on a thread of its own.
///
/// # Errors
/// When the kernel gives no thread; the connection is then closed, and its end is told.
pub(crate) fn serve(stream: TcpStream, handle: ConnectionHandle) -> io::Result<()> {
    let connection = BlockingConnection::new(stream, handle);
    // Handed over when the thread runs: a closure that is never run would drop it without a reason, and threads that are
    // begun faster than they start would each find room where there is room for one (see `check_thread_headroom`).
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
            // The thread is there to take it, so this cannot fail.
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
    // Fields are dropped in this order: the handle must be left before the socket closes.
    handle: ConnectionHandle,
    pub(crate) stream: TcpStream,
    frames: FrameBuffer,
    decoder: FrameDecoder,
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
    /// Nothing: there is no room in memory until others, who have been ended, have gone.
    NoRoom,
}

impl BlockingConnection {
    pub(crate) fn new(stream: TcpStream, handle: ConnectionHandle) -> BlockingConnection {
        let config = handle.config();
        let decoder = FrameDecoder::new(config.framing, config.longest_payload());
        let frames = FrameBuffer::new(config.longest_frame(), Room::Own);
        BlockingConnection { handle, stream, frames, decoder, read_size: ReadSize::default() }
    }

    /// Turns until the connection ends.
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

    /// Waits for something to read, and holds no room meanwhile.
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

    /// One blocking read, then blocking writes of all the whole frames there are.
    pub(crate) fn step(&mut self) -> Result<Progress, CloseReason> {
        // A peer that sends a little is read with little, so that a crowd of them needs little.
        let wanted = match self.read_size.is_streaming() {
            true => self.read_size.next(|| self.handle.send_queue()),
            false => SMALL_READ,
        };
        if let Need::Growth(bytes @ 1..) = self.frames.need(wanted)? {
            match self.handle.grow(bytes) {
                Ok(()) => {}
                Err(NoRoom::Soon) => return Ok(Progress::NoRoom),
                Err(NoRoom::Ended) => return Err(CloseReason::MemoryLimit),
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

    /// Gives the buffer up, but for what is left over in it; a stream that goes on keeps it.
    pub(crate) fn park(&mut self) -> Result<(), CloseReason> {
        if !(self.read_size.is_streaming() && has_bytes(&self.stream)) {
            self.frames.park()?;
        }
        self.handle.set_buffered(self.frames.allocated());
        Ok(())
    }

    pub(crate) fn close(self, end: Result<(), CloseReason>) {
        let reason = match self.handle.close_cause() {
            Some(cause) => cause.into(),
            None => end.err().unwrap_or(CloseReason::Eof),
        };
        if reason.resets() {
            // An error means that there is nothing left to reset.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        let BlockingConnection { mut handle, stream, frames, .. } = self;
        drop(frames);
        handle.release(reason);
        drop(stream);
        // Last, because it says that the connection is gone altogether.
        drop(handle);
    }

    fn write_all(&mut self, count: usize) -> Result<(), CloseReason> {
        let mut left = count;
        // Whether a write blocks is known when it is too late to say so, so each is announced.
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

/// Whether there is address space for a thread, and some to spare.
///
/// The standard library gives each new thread a signal stack, and aborts the process when there is no memory for that: a
/// thread must not be begun with the last of it.
///
/// # Errors
/// When there is none.
pub(crate) fn check_thread_headroom() -> io::Result<()> {
    Ok(memory::check_available(THREAD_HEADROOM)?)
}

/// Bytes of address space: a stack (2 MiB where none is chosen), a signal stack, and what other threads may take meanwhile.
/// Untouched, so it costs two system calls.
const THREAD_HEADROOM: usize = 4 << 20;

/// Whether there is something to read now.
fn has_bytes(stream: &TcpStream) -> bool {
    #[cfg(unix)]
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // Elsewhere it cannot be asked without waiting, so a stream that stops keeps its buffer, which is counted.
    #[cfg(not(unix))]
    return true;
    #[cfg(unix)]
    SockRef::from(stream).recv_with_flags(&mut [MaybeUninit::uninit()], flags).is_ok_and(|count| count > 0)
}

/// Bytes of the first read after a wait: a page, as large as most messages are not.
const SMALL_READ: usize = 4 * 1024;

/// How long to wait for room in memory. Those that were ended are awake already, and need the processor for a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Bytes of a thread's stack: its calls are a few frames deep and keep nothing large there. Untouched pages cost nothing.
const STACK: usize = 128 * 1024;
