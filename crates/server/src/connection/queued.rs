//! One connection whose peer is behind: a reply queue, reading and writing at the same time, and the policy decides when to stop
//! reading.
//!
//! One task does both. In each round it writes what is queued as far as the kernel accepts it, calls
//! [`Backpressure`](crate::Backpressure), and follows its decision. It begins with what `direct` could not write, and returns to it
//! once everything is written. So a peer that keeps up costs no copy, and the length of the queue is how far a peer is behind.
//!
//! The policy may change in the meantime: each round looks for that before it decides. What is queued stays queued and counts in
//! full, whatever it was queued under.

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

/// What `direct` could not write: the complete frames at the front of the frame buffer.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Their length.
    pub(super) complete: usize,
    /// How many of these bytes are written already.
    pub(super) written: usize,
    /// Whether they waited under await until the policy changed. Then the first of them may have lost its beginning, and all of them
    /// would have been written, so all are queued.
    pub(super) has_waited: bool,
}

/// How the queue became empty.
#[derive(Debug)]
pub(super) enum CaughtUp {
    /// The peer may send more.
    ToReadOn,
    /// The peer has closed its direction.
    AtTheEnd,
}

/// Echoes complete frames until everything is written, or the policy disconnects the peer.
pub(super) async fn echo(connection: &mut Connection, unwritten: Unwritten) -> Result<CaughtUp, CloseReason> {
    let Unwritten { complete, written, has_waited } = unwritten;
    let (policy, version) = match has_waited {
        // Replaced as soon as they are queued.
        true => (Policy::Off, 0),
        false => connection.handle.settings().policy(),
    };
    let mut echo = QueuedEcho {
        connection,
        queue: ReplyQueue::default(),
        backpressure: Backpressure::new(policy),
        version,
        complete,
        written,
        input: Input::Open,
        alarm: None,
    };
    poll_fn(|cx| echo.poll(cx)).await
}

struct QueuedEcho<'a> {
    connection: &'a mut Connection,
    queue: ReplyQueue,
    backpressure: Backpressure,
    /// Number of the settings that the policy is from.
    version: u32,
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

impl Input {
    /// What it means for the connection that everything is written.
    fn caught_up(&mut self) -> Result<CaughtUp, CloseReason> {
        match mem::replace(self, Input::Ended) {
            Input::Open => Ok(CaughtUp::ToReadOn),
            Input::Ended => Ok(CaughtUp::AtTheEnd),
            Input::Faulty(reason) => Err(reason),
        }
    }
}

impl QueuedEcho<'_> {
    /// Pending while there is nothing to read and no room to write. A change of the settings wakes it then.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<CaughtUp, CloseReason>> {
        let end = self.poll_rounds(cx);
        // Frames that wait for memory keep their policy, and wake this task themselves.
        if end.is_pending() && self.complete == 0 {
            let version = self.version;
            self.connection.wait_for_changes(cx, |settings| settings.version() != version);
        }
        end
    }

    /// Writes and reads.
    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Poll<Result<CaughtUp, CloseReason>> {
        loop {
            if let Some(cause) = self.connection.handle.entry().close_cause() {
                return Poll::Ready(Err(cause.into()));
            }
            self.connection.write_queue(cx, &mut self.queue)?;
            if self.complete > 0 {
                ready!(self.poll_answer(cx))?;
                continue;
            }
            if self.queue.is_empty() {
                return Poll::Ready(self.input.caught_up());
            }
            self.follow_settings();
            let queued = Queued { own: self.queue.len(), all: self.connection.handle.total_buffered() };
            match self.backpressure.decide(queued, Instant::now()) {
                Action::Read if matches!(self.input, Input::Open) => ready!(self.poll_read(cx))?,
                Action::Read | Action::Wait => return self.wait(),
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

    /// Follows the policy of the settings, if they have changed.
    fn follow_settings(&mut self) {
        let settings = self.connection.handle.settings();
        if self.version == settings.version() {
            return;
        }
        let policy;
        (policy, self.version) = settings.policy();
        // Another change leaves a grace time running.
        if policy != self.backpressure.policy() {
            self.backpressure = Backpressure::new(policy);
            self.alarm = None;
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
        let most = match self.backpressure.policy() {
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
        if written == complete || self.backpressure.policy().limit().is_none_or(fits) {
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

    /// Waits for the peer to read: the write that returned `EWOULDBLOCK` wakes this task.
    fn wait<T>(&mut self) -> Poll<Result<T, CloseReason>> {
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
