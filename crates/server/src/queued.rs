//! One connection with a reply queue: read and write at the same time, and let the policy say when to stop reading.
//!
//! One task does both. In each turn it writes what is queued as far as the kernel takes it, asks
//! [`Backpressure`](crate::Backpressure) what to do, and obeys. A reply is written past the queue when the queue is empty: so a
//! peer that keeps up costs no copy, and the queue is the measure of how far a peer is behind.

use std::collections::TryReserveError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use echoctl_proto::FrameDecoder;
use tokio::time::Sleep;

use crate::backpressure::{Admission, Backpressure, Next, Queued};
use crate::connection::Connection;
use crate::event::Reason;
use crate::policy::Policy;
use crate::reply_queue::ReplyQueue;
use crate::shared::NoRoom;

/// Serves one connection to its end.
#[allow(
    clippy::manual_async_fn,
    reason = "an async fn would keep its argument twice: 100 bytes a connection"
)]
pub(crate) fn serve(mut connection: Connection) -> impl Future<Output = ()> {
    async move {
        let end = echo(&mut connection).await;
        connection.close(end);
    }
}

/// Echoes whole frames until the peer has closed its direction and taken all it is owed, or the policy gives it up.
async fn echo(connection: &mut Connection) -> Result<(), Reason> {
    let policy = connection.seat.config().policy;
    let mut echo = QueuedEcho {
        connection,
        policy,
        queue: ReplyQueue::default(),
        backpressure: Backpressure::new(policy),
        whole: 0,
        written: 0,
        input: Input::Open,
        alarm: None,
    };
    loop {
        match std::future::poll_fn(|cx| echo.poll_turn(cx)).await? {
            Turn::Read => {}
            Turn::Finished => return Ok(()),
        }
    }
}

struct QueuedEcho<'a> {
    connection: &'a mut Connection,
    policy: Policy,
    queue: ReplyQueue,
    backpressure: Backpressure,
    /// Of the frame buffer, the oldest bytes that are whole frames and not answered yet: more than none only while they
    /// wait for room in memory.
    whole: usize,
    /// Of these, how many are written already.
    written: usize,
    input: Input,
    /// Wakes the task when a grace is over. Boxed, since few connections ever need it.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// What is still to come from the peer.
enum Input {
    Open,
    /// Nothing more; the queue is still to be written.
    Ended,
    /// Something that cannot be cut; what came before it is still to be written.
    Faulty(Reason),
}

enum Turn {
    Read,
    Finished,
}

impl QueuedEcho<'_> {
    /// Writes what it can and reads once; pending while there is neither anything to read nor room to write.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, Reason>> {
        loop {
            if let Some(ending) = self.connection.seat.ending() {
                return Poll::Ready(Err(ending.into()));
            }
            self.write_queue(cx)?;
            if self.whole > 0 {
                return self.poll_answer(cx).map_ok(|()| Turn::Read);
            }
            if !matches!(self.input, Input::Open) {
                return self.poll_finish();
            }
            let queued = Queued { own: self.queue.len(), all: self.connection.seat.held_by_all() };
            match self.backpressure.next(queued, Instant::now()) {
                Next::Read => return self.poll_read(cx).map_ok(|()| Turn::Read),
                Next::Wait => return self.wait(),
                Next::WaitAtMost(time) => {
                    if self.poll_alarm(cx, time).is_pending() {
                        return self.wait();
                    }
                }
                Next::Disconnect => {
                    let (limit, grace) = (self.policy.limit().unwrap_or_default(), self.policy.grace());
                    return Poll::Ready(Err(Reason::QueueOverLimit { queued: queued.own, limit, grace }));
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        self.alarm = None;
        let count = ready!(self.connection.poll_read(cx, self.queue.allocated()))?;
        if count == 0 {
            self.input = Input::Ended;
            return Poll::Ready(Ok(()));
        }
        self.poll_answer(cx)
    }

    /// Echoes the whole frames that have arrived: to the socket if nothing is queued before them, the rest to the queue.
    /// Pending when there is no room in memory for them: they stay where they are meanwhile.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        loop {
            if self.whole == 0 {
                match self.connection.whole_frames() {
                    Ok(0) => break,
                    Ok(whole) => (self.whole, self.written) = (whole, 0),
                    Err(fault) => {
                        self.input = Input::Faulty(fault);
                        break;
                    }
                }
            }
            if self.queue.is_empty() {
                self.written = self.connection.write_whole(cx, self.written, self.whole)?;
            }
            if let Err(no_room) = self.count_growth() {
                return self.connection.poll_for_room(cx, no_room, self.queue.allocated());
            }
            self.enqueue()?;
            self.connection.frames.consume(self.whole);
            self.whole = 0;
        }
        if !self.queue.is_empty() {
            self.connection.seat.owes(true);
            self.connection.seat.holds(self.queue.allocated() + self.connection.frames.allocated());
        }
        Poll::Ready(Ok(()))
    }

    /// Counts what the queue will grow by, before it does.
    fn count_growth(&self) -> Result<(), NoRoom> {
        let rest = self.whole - self.written;
        let most = match self.policy {
            Policy::Drop { limit } if !self.queue.is_empty() => {
                rest.min(limit.saturating_sub(self.queue.len()))
            }
            _ => rest,
        };
        match self.queue.growth(most) {
            0 => Ok(()),
            bytes => {
                // What was freed since the last wait must not stand in the way.
                self.connection.seat.holds(self.queue.allocated() + self.connection.frames.allocated());
                self.connection.seat.grow(bytes)
            }
        }
    }

    /// Queues what is not yet written of the whole frames, as far as the policy admits it.
    fn enqueue(&mut self) -> Result<(), TryReserveError> {
        let (written, whole) = (self.written, self.whole);
        let bytes = &self.connection.frames.unread()[..whole];
        let fits = |limit| self.queue.len() + whole - written <= limit;
        if written == whole || self.policy.limit().is_none_or(fits) {
            return self.queue.append(&bytes[written..]);
        }
        // Only when the limit is passed does it matter where frames end. The decoder that found `whole` has looked on
        // beyond it, so another one looks here.
        let config = self.connection.seat.config();
        let mut decoder = FrameDecoder::new(config.framing, config.longest_payload());
        let mut start = 0;
        while let Ok(Some(frame)) = decoder.decode(&bytes[start..]) {
            let end = start + frame.bytes.len();
            let is_begun = start < written && written < end;
            if self.queue.is_empty() {
                self.backpressure.begins_with(end.saturating_sub(written));
            }
            // A frame that is half written is always finished.
            if is_begun || self.backpressure.admit(self.queue.len(), end - start) == Admission::Queue {
                self.queue.append(&bytes[start.max(written).min(end)..end])?;
            } else {
                self.connection.seat.dropped_frame();
            }
            start = end;
        }
        Ok(())
    }

    fn write_queue(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.queue.is_empty() {
            match self.connection.poll_write_bytes(cx, self.queue.front()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.queue.consume(written?),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// With no more input: pending until the queue is written, then finished.
    fn poll_finish(&mut self) -> Poll<Result<Turn, Reason>> {
        if !self.queue.is_empty() {
            return self.wait();
        }
        match std::mem::replace(&mut self.input, Input::Ended) {
            Input::Faulty(reason) => Poll::Ready(Err(reason)),
            Input::Open | Input::Ended => Poll::Ready(Ok(Turn::Finished)),
        }
    }

    /// Waits for the peer to take bytes: the write that the kernel refused will wake this task.
    fn wait(&mut self) -> Poll<Result<Turn, Reason>> {
        self.connection.before_waiting(self.queue.allocated(), true)?;
        Poll::Pending
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(alarm.as_mut().poll(cx));
        self.alarm = None;
        Poll::Ready(())
    }
}
