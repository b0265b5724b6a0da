//! One connection's socket, frame buffer and handle: reading, writing, and what must happen before each wait.
//!
//! A connection that waits has no buffer except for the bytes that it cannot do without, and these are counted. So each call that
//! may wait calls [`before_waiting`](Connection::before_waiting) first. A connection that needs more memory than the limit leaves
//! waits as well, [for others to close](Connection::poll_for_room), or is closed itself.

mod blocking;
mod direct;
pub(crate) mod frames;
mod moving;
mod name;
mod queued;
pub(crate) mod read_size;
mod reply_queue;
#[cfg(target_os = "linux")]
mod ring;
mod thread_buffer;

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use echoctl_proto::FrameDecoder;

pub(crate) use self::blocking::{BlockingConnection, Progress};
pub use self::reply_queue::ReplyQueue;
#[cfg(target_os = "linux")]
pub(crate) use self::ring::{Next, RingConnection, SMALL};

use self::direct::Leave;
use self::frames::{FrameBuffer, Need, Room};
use self::queued::{CaughtUp, Unwritten};
use self::read_size::{READ, ReadSize};
use crate::close_reason::CloseReason;
use crate::io::places::Stay;
use crate::settings::Settings;
use crate::sys::socket::{self, Socket};
use crate::table::{ConnectionHandle, NoRoom};

/// A connection with a peer, by a socket that a task waits for, or by [one that blocks](BlockingConnection).
pub(crate) struct Connection<S = Socket> {
    // Fields are dropped in this order: the entry must be vacated before the socket closes.
    handle: ConnectionHandle,
    pub(crate) stream: S,
    frames: FrameBuffer,
    decoder: FrameDecoder,
    read_size: ReadSize,
    stay: Stay,
    /// KiB read since the connection last let others run; each read counts as a whole number of them.
    quantum_used: u16,
    /// Whether it waits to write the rest of some frames under await.
    is_blocked: bool,
    /// Whether the first complete frame may be its name.
    may_be_named: bool,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, handle: ConnectionHandle, room: Room) -> Connection<S> {
        let config = handle.settings().config();
        Connection {
            stream,
            frames: FrameBuffer::new(config.longest_frame(), room),
            decoder: FrameDecoder::new(config.framing, config.longest_payload()),
            read_size: ReadSize::default(),
            stay: Stay::default(),
            quantum_used: 0,
            is_blocked: false,
            may_be_named: config.names,
            handle,
        }
    }

    /// Closes the connection, which ended with `end`.
    pub(crate) fn close(self, end: Result<(), CloseReason>)
    where
        for<'s> socket2::SockRef<'s>: From<&'s S>,
    {
        let Connection { handle, stream, frames, .. } = self;
        // Freed before it is counted as freed.
        drop(frames);
        handle.close(stream, end);
    }

    /// Length of the complete frames at the front of the unread bytes; 0 if more must be read first.
    fn complete_frames(&mut self) -> Result<usize, CloseReason> {
        let Connection { handle, frames, decoder, may_be_named, .. } = self;
        complete_frames_in(frames.unread(), decoder, may_be_named, handle)
    }

    /// Records that a read into `room` bytes returned `count`.
    fn record_read(&mut self, count: usize, room: usize) {
        self.read_size.record_read(count, room);
        self.frames.commit(count);
        self.handle.record_received(count);
    }

    /// Counts what the connection buffers now: its frame buffer, and `queued` bytes allocated elsewhere.
    fn count_buffered(&self, queued: usize) {
        self.handle.set_buffered(self.frames.allocated() + queued);
    }
}

impl Connection {
    /// Serves until the connection closes, or another worker serves it.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn would store its argument twice: 100 bytes per connection"
    )]
    pub(crate) fn serve(mut self) -> impl Future<Output = ()> {
        async move {
            let end = loop {
                let unwritten = match direct::echo(&mut self).await {
                    Ok(Leave::ToQueue(unwritten)) => unwritten,
                    Ok(Leave::AtTheEnd) => break Ok(()),
                    Ok(Leave::ToMove(place)) => match self.move_to(place) {
                        Ok(true) => return self.spawn(),
                        Ok(false) => continue,
                        Err(reason) => break Err(reason),
                    },
                    Err(reason) => break Err(reason),
                };
                // Boxed, so that a connection without a queue reserves no memory for its state.
                match Box::pin(queued::echo(&mut self, unwritten)).await {
                    Ok(CaughtUp::ToReadOn) => {}
                    Ok(CaughtUp::AtTheEnd) => break Ok(()),
                    Err(reason) => break Err(reason),
                }
            };
            self.close(end);
        }
    }

    /// Reads what has arrived, and waits if nothing has. Returns the number of bytes, 0 at the end of the stream.
    fn read(&mut self) -> impl Future<Output = Result<usize, CloseReason>> {
        poll_fn(|cx| self.poll_read(cx, 0))
    }

    /// Writes the oldest `count` unread bytes, and waits while the kernel accepts no more. This wait *is* the backpressure:
    /// nothing is read in the meantime. With another policy than await it does not wait, and returns what is left.
    fn write_all(
        &mut self,
        mut count: usize,
    ) -> impl Future<Output = Result<Option<Unwritten>, CloseReason>> {
        poll_fn(move |cx| {
            let has_waited = mem::take(&mut self.is_blocked);
            let written = self.write_in_place(cx, 0, count)?;
            if written == count {
                self.frames.consume(written);
                return Poll::Ready(Ok(None));
            }
            if !self.handle.settings().is_await() {
                return Poll::Ready(Ok(Some(Unwritten { complete: count, written, has_waited })));
            }
            self.frames.consume(written);
            count -= written;
            self.is_blocked = true;
            self.read_size.record_wait();
            self.before_waiting(0, true)?;
            self.wait_for_changes(cx, |settings| !settings.is_await());
            Poll::Pending
        })
    }

    /// Reads once into the frame buffer. `queued` bytes are allocated elsewhere for the same peer.
    fn poll_read(&mut self, cx: &mut Context<'_>, queued: usize) -> Poll<Result<usize, CloseReason>> {
        ready!(self.poll_resumed(cx, queued))?;
        ready!(self.poll_quantum(cx, queued))?;
        let wanted =
            if queued > 0 { READ } else { self.read_size.next(|| self.handle.entry().kernel_send_queue()) };
        let need = self.frames.need(wanted)?;
        if let Err(no_room) = self.count_need(need, queued) {
            return self.poll_for_room(cx, no_room, queued);
        }
        let room = self.frames.room(wanted)?;
        let wanted = room.len();
        match socket::poll_read(&mut self.stream, cx, room) {
            Poll::Ready(Ok(count)) => {
                self.record_read(count, wanted);
                self.quantum_used = self.quantum_used.saturating_add(count.div_ceil(1024) as u16);
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
    fn count_need(&self, need: Need, queued: usize) -> Result<(), NoRoom> {
        if need == Need::Growth(0) || (need == Need::ThreadBuffer && self.handle.has_room()) {
            return Ok(());
        }
        // First subtracts what was freed since the last wait.
        self.count_buffered(queued);
        match need {
            Need::ThreadBuffer => self.handle.make_room(),
            Need::Growth(bytes) => self.handle.grow(bytes),
        }
    }

    /// Handles a lack of room: fails, or waits for other connections to close. These have been woken, so this task only lets
    /// all tasks that are ready run before it tries again.
    fn poll_for_room<T>(
        &mut self,
        cx: &mut Context<'_>,
        no_room: NoRoom,
        queued: usize,
    ) -> Poll<Result<T, CloseReason>> {
        no_room.wait_or_close()?;
        self.before_waiting(queued, queued > 0)?;
        if poll_yield(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Writes the oldest `count` bytes of the frame buffer, of which the first `written` are written already, until the kernel
    /// accepts no more. Returns how many are written then. None of them is consumed.
    fn write_in_place(
        &mut self,
        cx: &mut Context<'_>,
        mut written: usize,
        count: usize,
    ) -> io::Result<usize> {
        while written < count {
            let bytes = &self.frames.unread()[written..count];
            match poll_write(&mut self.stream, &self.handle, cx, bytes) {
                Poll::Ready(more) => written += more?,
                Poll::Pending => break,
            }
        }
        Ok(written)
    }

    /// Writes what is queued, until the kernel accepts no more. It does not park the frame buffer: the caller does that before it
    /// waits.
    fn write_queue(&mut self, cx: &mut Context<'_>, queue: &mut ReplyQueue) -> io::Result<()> {
        while !queue.is_empty() {
            match poll_write(&mut self.stream, &self.handle, cx, queue.front()) {
                Poll::Ready(written) => queue.consume(written?),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Pending while reading is paused.
    fn poll_resumed(&mut self, cx: &mut Context<'_>, queued: usize) -> Poll<Result<(), CloseReason>> {
        if !self.handle.settings().is_paused() {
            return Poll::Ready(Ok(()));
        }
        self.before_waiting(queued, queued > 0)?;
        self.wait_for_changes(cx, |settings| !settings.is_paused());
        // It does not wait for its socket, which would show this otherwise.
        match self.handle.entry().close_cause() {
            Some(cause) => Poll::Ready(Err(cause.into())),
            None => Poll::Pending,
        }
    }

    /// Has changes of the settings, and whatever closes the connection from outside, wake this task from now on, and runs it again
    /// if it `has_changed` before.
    fn wait_for_changes(&self, cx: &mut Context<'_>, has_changed: impl FnOnce(&Settings) -> bool) {
        self.handle.entry().set_waker(cx.waker());
        if has_changed(self.handle.settings()) {
            cx.waker().wake_by_ref();
        }
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
    fn before_waiting(&mut self, queued: usize, pending_output: bool) -> Result<(), CloseReason> {
        self.quantum_used = 0;
        self.frames.park()?;
        self.handle.set_pending_output(pending_output);
        self.count_buffered(queued);
        Ok(())
    }
}

/// Length of the complete frames at the front of `unread`. The first of all may name the connection.
fn complete_frames_in(
    unread: &[u8],
    decoder: &mut FrameDecoder,
    may_be_named: &mut bool,
    handle: &ConnectionHandle,
) -> Result<usize, CloseReason> {
    let complete = decoder.complete_len(unread).map_err(|fault| handle.frame_error(fault))?;
    if *may_be_named && complete > 0 {
        *may_be_named = false;
        let mut first_only = FrameDecoder::new(decoder.framing(), complete);
        if let Ok(Some(first)) = first_only.decode(&unread[..complete])
            && let Some(name) = name::name_in(first.payload)
        {
            handle.entry().set_name(name);
        }
    }
    Ok(complete)
}

/// Writes once, and counts what the kernel accepts, which is at least one byte.
fn poll_write(
    stream: &mut Socket,
    handle: &ConnectionHandle,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(socket::poll_write(stream, cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => {
            handle.entry().record_sent(written);
            Poll::Ready(Ok(written))
        }
    }
}

/// Pending. The task is woken after all ready tasks have run and the sockets were polled. The future that arranges this is not
/// polled again: the caller records that it has yielded.
fn poll_yield(cx: &mut Context<'_>) -> Poll<()> {
    pin!(tokio::task::yield_now()).poll(cx)
}

/// KiB that a connection reads before it lets others run: eight ordinary reads, or four large ones. Each yield costs a poll of
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
pub(crate) const QUANTUM: u16 = (8 * READ / 1024) as u16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_fits_into_the_smallest_task() {
        fn size<F>(_: impl FnOnce(Connection) -> F) -> usize {
            size_of::<F>()
        }

        let size = size(Connection::serve);

        // With what tokio adds: 256 bytes, the next size is 384.
        assert!(size <= 152, "{size} bytes");
    }
}
