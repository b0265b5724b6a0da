//! Writes the frames of one connection, as fast as its rate and the server allow.
//!
//! It distinguishes two reasons to wait: its own rate (it waits for a time) and the server (a write finds no room in
//! the send queue, and it waits for the socket). The second is backpressure, which a flood is made to show.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::config::Config;
use super::connection::{Connection, Phase, Stall};
use super::outcome::Ending;
use super::pacer::Pacer;
use super::thread_buffer;
use crate::payload::{FrameStream, Recipe};

/// The sending half of one connection.
pub(crate) struct Producer {
    pub(crate) connection: Arc<Connection>,
    pub(crate) config: Arc<Config>,
    pub(crate) recipe: Recipe,
    pub(crate) pacer: Pacer,
    /// When the rate limit ends.
    pub(crate) unlimited_at: Option<Instant>,
    /// Bytes to send, rounded up to a complete frame.
    pub(crate) limit: Option<u64>,
    pub(crate) started: Instant,
}

impl Producer {
    /// Sends until everything is sent, the connection is to close, or the server closes it.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.send().await {
            return self.connection.end(Ending::failed("write", &error, self.started.elapsed()));
        }
        // First the phase, then the FIN: the server may answer the FIN at once with its own, which is then a regular
        // close.
        self.connection.advance(Phase::Sent);
        if self.config.drains() {
            // This fails if the connection is already closed, which the consumer detects when it reads.
            let _ = socket2::SockRef::from(&self.connection.stream).shutdown(std::net::Shutdown::Write);
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        let connection = Arc::clone(&self.connection);
        let mut stream = FrameStream::new(&self.recipe);
        let mut phases = connection.phase.subscribe();
        let mut stall: Option<Stall> = None;
        let mut writes = 0;
        loop {
            let phase = *phases.borrow_and_update();
            let length = self.next_length(&stream, phase);
            if length == 0 {
                return Ok(());
            }
            if phase == Phase::Sending
                && let Some(due) = self.due()
            {
                sleep_or_change(due, &mut phases).await;
                continue;
            }
            match self.write(&mut stream, length) {
                Ok(written) => {
                    self.pacer.record(written);
                    if let Some(stall) = stall.take() {
                        // The server accepts data again: its stall is not caught up.
                        self.pacer.postpone(stall.since.elapsed());
                    }
                    writes += 1;
                    if writes % YIELD_EVERY == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stall.get_or_insert_with(|| connection.stall());
                    tokio::select! {
                        ready = connection.stream.writable() => ready?,
                        _ = phases.changed() => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Bytes of the next write; 0 if everything is sent.
    fn next_length(&self, stream: &FrameStream, phase: Phase) -> usize {
        let left = match phase {
            Phase::Sending => match self.limit.map(|limit| limit.saturating_sub(stream.position())) {
                None => u64::MAX,
                Some(0) => stream.to_frame_end(),
                Some(left) => left,
            },
            // Without a drain the last frame need not be completed.
            Phase::Closing if self.config.drains() => stream.to_frame_end(),
            Phase::Closing | Phase::Sent | Phase::Over => 0,
        };
        self.pacer.chunk(self.config.write_size).min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// When the next write is due; `None` if it is due now.
    fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.unlimited_at.is_some_and(|unlimited_at| now >= unlimited_at) {
            self.unlimited_at = None;
            self.pacer.remove_limit();
        }
        let due = self.pacer.wait(now)?;
        Some(self.unlimited_at.map_or(due, |unlimited_at| due.min(unlimited_at)))
    }

    /// Writes up to `length` bytes, and advances `stream` by the number of bytes written.
    fn write(&self, stream: &mut FrameStream, length: usize) -> io::Result<usize> {
        thread_buffer::with(length, |block| {
            let mut after = stream.clone();
            after.fill(&self.recipe, block);
            self.connection.announce(after.started(), after.position());
            let outcome = self.connection.stream.try_write(block);
            let written = *outcome.as_ref().unwrap_or(&0);
            self.connection.record_write(written);
            if written == length {
                *stream = after;
            } else {
                stream.advance(&self.recipe, written as u64);
                // Corrected: bytes that were announced but not written are not pending, and this may have been the
                // last write.
                self.connection.announce(stream.started(), stream.position());
            }
            outcome
        })
    }
}

/// Waits until `due`, or until the phase changes.
pub(crate) async fn sleep_or_change(due: Instant, phases: &mut watch::Receiver<Phase>) {
    // The sender of phases outlives this wait: both are part of the connection.
    let _ = tokio::time::timeout_at(due.into(), phases.changed()).await;
}

/// Reads or writes without a wait before the task yields to the others of its thread: 1 MiB with the default size, 4
/// MiB at full speed, a millisecond or less.
pub(crate) const YIELD_EVERY: u32 = 16;
