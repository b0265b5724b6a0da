//! The producer: writes the stream of one connection, as fast as its pace and the server allow.
//!
//! What holds it back is told apart: its own pace (it waits for a time) and the server (a write finds no room in the
//! kernel's send queue, and it waits for the socket). The second is backpressure, and is what a flood is there to show.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::connection::{Connection, Phase};
use crate::frame_stream::FrameStream;
use crate::outcome::Ending;
use crate::pacer::Pacer;
use crate::recipe::Recipe;
use crate::thread_buffer;

/// One connection's sending half.
pub(crate) struct Producer {
    pub(crate) connection: Arc<Connection>,
    pub(crate) recipe: Recipe,
    pub(crate) pacer: Pacer,
    /// When the pace is lifted.
    pub(crate) unlimited_at: Option<Instant>,
    /// Bytes of one write.
    pub(crate) write_size: usize,
    /// Bytes to send; the frame that reaches them is finished.
    pub(crate) limit: Option<u64>,
    /// Whether what is sent will be read to its end; if not, nothing needs to be finished.
    pub(crate) drains: bool,
    pub(crate) started: Instant,
}

impl Producer {
    /// Sends until all is sent, the connection is to close, or the server ends it.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.send().await {
            return self.connection.end(Ending::failed("write", &error, self.started.elapsed()));
        }
        // First the phase, then the FIN: the server may answer a FIN at once with its own, which now is in order.
        self.connection.advance(Phase::Sent);
        if self.drains {
            // It fails if the connection is gone already, which the consumer then learns by reading.
            let _ = socket2::SockRef::from(&self.connection.stream).shutdown(std::net::Shutdown::Write);
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        let mut stream = FrameStream::new(&self.recipe);
        let mut phases = self.connection.phases();
        let mut blocked_since = None;
        let mut writes = 0;
        loop {
            let phase = *phases.borrow_and_update();
            let length = self.next_length(&stream, phase);
            if length == 0 {
                break;
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
                    self.unblock(&mut blocked_since);
                    writes += 1;
                    if writes % YIELD_EVERY == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if blocked_since.is_none() {
                        blocked_since = Some(Instant::now());
                        self.connection.set_blocked(true);
                    }
                    tokio::select! {
                        ready = self.connection.stream.writable() => ready?,
                        _ = phases.changed() => {}
                    }
                }
                Err(error) => {
                    self.unblock(&mut blocked_since);
                    return Err(error);
                }
            }
        }
        self.unblock(&mut blocked_since);
        Ok(())
    }

    /// How many bytes the next write has; 0 when all is sent.
    fn next_length(&self, stream: &FrameStream, phase: Phase) -> usize {
        let left = match phase {
            Phase::Sending => match self.limit.map(|limit| limit.saturating_sub(stream.position())) {
                None => u64::MAX,
                Some(0) => stream.to_frame_end(),
                Some(left) => left,
            },
            Phase::Closing if self.drains => stream.to_frame_end(),
            Phase::Closing | Phase::Sent | Phase::Over => 0,
        };
        self.pacer.chunk(self.write_size).min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// When the next write is due, if that is not now.
    fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.unlimited_at.is_some_and(|unlimited_at| now >= unlimited_at) {
            self.unlimited_at = None;
            self.pacer.remove_limit();
        }
        let due = self.pacer.wait(now)?;
        Some(self.unlimited_at.map_or(due, |unlimited_at| due.min(unlimited_at)))
    }

    /// Writes up to `length` bytes, and moves `stream` on by what the kernel took.
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
                // Taken back: what was announced and not written is owed by nobody, and this may have been the last write.
                self.connection.announce(stream.started(), stream.position());
            }
            outcome
        })
    }

    /// Notes that the server took a byte again, and forgives the pace the time.
    fn unblock(&mut self, since: &mut Option<Instant>) {
        if let Some(since) = since.take() {
            self.pacer.postpone(since.elapsed());
            self.connection.set_blocked(false);
        }
    }
}

/// Waits until `due`, or until the phase changes.
pub(crate) async fn sleep_or_change(due: Instant, phases: &mut watch::Receiver<Phase>) {
    // A phase cannot stop changing before its task does: both hold the connection.
    let _ = tokio::time::timeout_at(due.into(), phases.changed()).await;
}

/// Writes or reads that succeed at once before the other tasks of the thread have their turn: 1 MiB of the default size, 4
/// at full speed, a millisecond or less.
pub(crate) const YIELD_EVERY: u32 = 16;

/// What a wait without an end is given as its end.
pub(crate) const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);
