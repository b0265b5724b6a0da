//! One connection with a reply queue: reads and writes at the same time, and the policy decides when to stop reading.
//!
//! One task does both. In each round it writes what is queued as far as the kernel accepts it, calls
//! [`Backpressure`](crate::Backpressure), and follows its decision. While the queue is empty, a reply is written directly. So a peer
//! that keeps up costs no copy, and the length of the queue is how far a peer is behind.

use std::collections::TryReserveError;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use echoctl_proto::FrameDecoder;
use tokio::time::Sleep;

use super::{Connection, ReplyQueue};
use crate::backpressure::{Action, Backpressure, Queued};
use crate::close_reason::CloseReason;
use crate::policy::Policy;
use crate::table::NoRoom;

/// Echoes complete frames until the peer has closed its direction and everything is written, or the policy disconnects it.
pub(super) async fn echo(connection: &mut Connection, policy: Policy) -> Result<(), CloseReason> {
    let mut echo = QueuedEcho {
        connection,
        policy,
        queue: ReplyQueue::default(),
        backpressure: Backpressure::new(policy),
        complete: 0,
        written: 0,
        input: Input::Open,
        alarm: None,
    };
    poll_fn(|cx| echo.poll(cx)).await
}

struct QueuedEcho<'a> {
    connection: &'a mut Connection,
    policy: Policy,
    queue: ReplyQueue,
    backpressure: Backpressure,
    /// Length of the complete frames at the front of the frame buffer that are not answered yet. More than 0 only while they wait
    /// for memory.
    complete: usize,
    /// How many of these bytes are written already.
    written: usize,
    input: Input,
    /// Wakes the task when a grace time is over. Boxed, since few connections ever need it.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// State of the input from the peer.
enum Input {
    Open,
    /// Complete; the queue must still be written.
    Ended,
    /// Cannot be decoded any further; the replies to what came before must still be written.
    Faulty(CloseReason),
}

impl QueuedEcho<'_> {
    /// Writes and reads. Pending while there is nothing to read and no room to write.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        loop {
            if let Some(cause) = self.connection.handle.entry().close_cause() {
                return Poll::Ready(Err(cause.into()));
            }
            self.connection.write_queue(cx, &mut self.queue)?;
            if self.complete > 0 {
                ready!(self.poll_answer(cx))?;
                continue;
            }
            if !matches!(self.input, Input::Open) {
                return self.poll_finish();
            }
            let queued = Queued { own: self.queue.len(), all: self.connection.handle.total_buffered() };
            match self.backpressure.decide(queued, Instant::now()) {
                Action::Read => ready!(self.poll_read(cx))?,
                Action::Wait => return self.wait(),
                Action::WaitAtMost(time) => {
                    if self.poll_alarm(cx, time).is_pending() {
                        return self.wait();
                    }
                }
                Action::Disconnect { limit, grace } => {
                    let queued = queued.own;
                    return Poll::Ready(Err(CloseReason::QueueOverLimit { queued, limit, grace }));
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.alarm = None;
        let count = ready!(self.connection.poll_read(cx, self.queue.allocated()))?;
        if count == 0 {
            self.input = Input::Ended;
            return Poll::Ready(Ok(()));
        }
        self.poll_answer(cx)
    }

    /// Echoes the complete frames that have arrived: to the socket if the queue is empty, and the rest to the queue. Pending if
    /// there is no memory for them; until then they stay in the frame buffer.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        loop {
            if self.complete == 0 {
                match self.connection.complete_frames() {
                    Ok(0) => break,
                    Ok(complete) => (self.complete, self.written) = (complete, 0),
                    Err(fault) => {
                        self.input = Input::Faulty(fault);
                        break;
                    }
                }
            }
            if self.queue.is_empty() {
                self.written = self.connection.write_in_place(cx, self.written, self.complete)?;
            }
            if let Err(no_room) = self.count_growth() {
                return self.connection.poll_for_room(cx, no_room, self.queue.allocated());
            }
            self.enqueue()?;
            self.connection.frames.consume(self.complete);
            self.complete = 0;
        }
        if !self.queue.is_empty() {
            self.connection.handle.set_pending_output(true);
            self.connection.count_buffered(self.queue.allocated());
        }
        Poll::Ready(Ok(()))
    }

    /// Counts the growth of the queue before it happens.
    fn count_growth(&self) -> Result<(), NoRoom> {
        let rest = self.complete - self.written;
        let most = match self.policy {
            Policy::Drop { limit } if !self.queue.is_empty() => {
                rest.min(limit.saturating_sub(self.queue.len()))
            }
            _ => rest,
        };
        match self.queue.growth(most) {
            0 => Ok(()),
            bytes => {
                // First subtracts what was freed since the last wait.
                self.connection.count_buffered(self.queue.allocated());
                self.connection.handle.grow(bytes)
            }
        }
    }

    /// Queues the part of the complete frames that is not written yet, as far as the policy admits it.
    fn enqueue(&mut self) -> Result<(), TryReserveError> {
        let (written, complete) = (self.written, self.complete);
        let bytes = &self.connection.frames.unread()[..complete];
        let fits = |limit| self.queue.len() + complete - written <= limit;
        if written == complete || self.policy.limit().is_none_or(fits) {
            return self.queue.append(&bytes[written..]);
        }
        // Frame boundaries matter only when the limit is exceeded. The decoder that returned `complete` has already scanned
        // beyond it, so this needs another one.
        let decoder = &self.connection.decoder;
        let mut decoder = FrameDecoder::new(decoder.framing(), decoder.max_frame());
        let mut start = 0;
        while let Ok(Some(frame)) = decoder.decode(&bytes[start..]) {
            let end = start + frame.bytes.len();
            let is_started = start < written && written < end;
            if self.queue.is_empty() {
                self.backpressure.start_with(end.saturating_sub(written));
            }
            // A partly written frame is always finished.
            if is_started || self.backpressure.admits(self.queue.len(), end - start) {
                self.queue.append(&bytes[start.max(written).min(end)..end])?;
            } else {
                self.connection.handle.entry().record_dropped_frame();
            }
            start = end;
        }
        Ok(())
    }

    /// After the end of the input: pending until the queue is written, then finished.
    fn poll_finish(&mut self) -> Poll<Result<(), CloseReason>> {
        if !self.queue.is_empty() {
            return self.wait();
        }
        Poll::Ready(match mem::replace(&mut self.input, Input::Ended) {
            Input::Faulty(reason) => Err(reason),
            Input::Open | Input::Ended => Ok(()),
        })
    }

    /// Waits for the peer to read: the write that returned `EWOULDBLOCK` wakes this task.
    fn wait(&mut self) -> Poll<Result<(), CloseReason>> {
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
