//! Reads one connection as its schedule says, and checks every byte.
//!
//! It is independent of the producer, except that once everything is sent, it drains the connection or leaves the
//! pending bytes unread, as configured. The drain is bounded whatever the server does: by a minimum rate, by a
//! maximum duration, and by the number of bytes sent, since an echo returns no more.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::config::Config;
use super::connection::{Connection, Phase, READ_SIZE};
use super::outcome::{CloseKind, Drain, Ending};
use super::pacer::Pacer;
use super::producer::{YIELD_EVERY, sleep_or_change};
use super::progress::Progress;
use super::schedule::ReadMode;
use super::thread_buffer;
use crate::FAR_FUTURE;
use crate::checker::{Checker, Fault};
use crate::live::LiveConnection;

/// The reading half of one connection.
pub(crate) struct Consumer {
    connection: Arc<Connection>,
    config: Arc<Config>,
    checker: Checker,
    /// Paces the reads if they have a rate.
    pacer: Pacer,
    /// State of the drain, once it has started.
    draining: Option<Draining>,
    /// Whether reading was limited or stopped so far.
    was_throttled: bool,
    /// Set when reading then resumes at full speed.
    drain: Option<Drain>,
    started: Instant,
}

impl Consumer {
    pub(crate) fn new(
        connection: Arc<Connection>,
        config: Arc<Config>,
        checker: Checker,
        pacer: Pacer,
        started: Instant,
    ) -> Consumer {
        let (draining, was_throttled, drain) = (None, false, None);
        Consumer { connection, config, checker, pacer, draining, was_throttled, drain, started }
    }

    /// Reads until the end of the stream, or until there is nothing left to do, and stores how the connection ended.
    pub(crate) async fn run(mut self) {
        let ending = self.read().await;
        if let Some(drain) = self.drain {
            let _ = self.connection.drain.set(drain);
        }
        self.connection.end(ending);
    }

    async fn read(&mut self) -> Ending {
        let mut phases = self.connection.phase.subscribe();
        let mut reads = 0;
        loop {
            let phase = *phases.borrow_and_update();
            if phase == Phase::Over {
                return Ending::Stopped;
            }
            if phase == Phase::Sent && !self.config.drains() {
                return Ending::LeftUnread;
            }
            let (max, until) = match self.next_step(phase) {
                Step::Read { max, until } => (max, until),
                Step::Wait(until) => {
                    // The reader itself pauses: this does not count as a stall of the server.
                    self.draining = None;
                    sleep_or_change(until, &mut phases).await;
                    continue;
                }
            };
            if phase != Phase::Sending
                && let Some(ending) = self.overdue()
            {
                return ending;
            }
            match self.read_once(max) {
                Ok(0) => return self.end_of_stream(),
                Ok(_) if self.connection.has_excess() => return self.excess(),
                Ok(_) => {
                    reads += 1;
                    if reads % YIELD_EVERY == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Err(error) = self.wait(until, &mut phases).await {
                        return Ending::failed("read", &error, self.started.elapsed());
                    }
                }
                Err(error) => return Ending::failed("read", &error, self.started.elapsed()),
            }
        }
    }

    /// The next step of the schedule.
    fn next_step(&mut self, phase: Phase) -> Step {
        let now = self.started.elapsed();
        let scheduled = self.config.reading.at(now);
        self.was_throttled |= !matches!(scheduled, ReadMode::Unlimited { .. });
        let mode = match phase {
            Phase::Sending => scheduled,
            _ if self.config.drain_at_end => ReadMode::Unlimited { until: None },
            _ => scheduled,
        };
        match mode {
            ReadMode::Unlimited { until } => {
                if self.was_throttled {
                    self.drain.get_or_insert(Drain { start: now, end: now, bytes: 0 });
                }
                Step::Read { max: READ_SIZE, until: self.time(until) }
            }
            ReadMode::Stopped { until } => Step::Wait(self.time(until)),
            ReadMode::Limited(_) => match self.pacer.wait(Instant::now()) {
                None => Step::Read { max: self.pacer.chunk(READ_SIZE), until: self.time(None) },
                Some(due) => Step::Wait(due),
            },
        }
    }

    /// Reads up to `max` bytes and checks them.
    fn read_once(&mut self, max: usize) -> io::Result<usize> {
        thread_buffer::with(max, |block| {
            let count = self.connection.stream.try_read(block)?;
            self.checker.feed(&block[..count], self.connection.frames());
            self.connection.record_read(count, self.checker.tally());
            self.pacer.record(count);
            if let Some(drain) = &mut self.drain
                && count > 0
            {
                drain.end = self.started.elapsed();
                drain.bytes += count as u64;
            }
            Ok(count)
        })
    }

    /// Waits until bytes arrive, the phase changes, `until` has passed, or the drain is to be checked again.
    async fn wait(&mut self, until: Instant, phases: &mut watch::Receiver<Phase>) -> io::Result<()> {
        let since = Instant::now();
        let until = self.draining.map_or(until, |draining| until.min(draining.ends()));
        let outcome = tokio::select! {
            ready = self.connection.stream.readable() => ready,
            _ = phases.changed() => Ok(()),
            () = tokio::time::sleep_until(until.into()) => Ok(()),
        };
        self.pacer.postpone(since.elapsed());
        outcome
    }

    /// Ends the connection if the drain is too slow or takes too long. The drain starts with the first call.
    fn overdue(&mut self) -> Option<Ending> {
        let now = Instant::now();
        // Includes what is still to be sent: the last frame is completed first.
        let moved = self.connection.produced() + self.connection.consumed();
        let draining = self.draining.get_or_insert_with(|| {
            let Config { stall_timeout, max_drain, connections, .. } = *self.config;
            let time = max_drain.saturating_add(2 * now.duration_since(self.started)).min(FAR_FUTURE);
            let min_progress = Config::MIN_PROGRESS / connections as u64;
            let progress = Progress::start(stall_timeout.min(FAR_FUTURE), min_progress, now, moved);
            Draining { progress, since: now, from: moved, end: now + time }
        });
        let pending = self.connection.produced().saturating_sub(self.connection.consumed());
        let timed_out = |moved, within| Ending::TimedOut { moved, within, pending };
        if let Some(moved) = draining.progress.is_too_slow(now, moved) {
            return Some(timed_out(moved, draining.progress.window));
        }
        (now >= draining.end).then(|| timed_out(moved - draining.from, now - draining.since))
    }

    fn excess(&mut self) -> Ending {
        self.checker.record_fault(Fault::Excess);
        self.connection.record_read(0, self.checker.tally());
        Ending::Excess { consumed: self.connection.consumed(), produced: self.connection.produced() }
    }

    fn end_of_stream(&mut self) -> Ending {
        // Checked again: the producer may have sent its FIN meanwhile, and this end of stream answers it.
        if self.connection.phase() < Phase::Sent {
            return Ending::PeerClosed { how: CloseKind::EndOfStream, at: self.started.elapsed() };
        }
        self.checker.finish(self.connection.frames());
        self.connection.record_read(0, self.checker.tally());
        Ending::Complete
    }

    /// The instant of a time of the run; far in the future for `None`.
    fn time(&self, elapsed: Option<Duration>) -> Instant {
        self.started + elapsed.unwrap_or(FAR_FUTURE).min(FAR_FUTURE)
    }
}

/// The drain: reads what is pending once everything is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draining {
    progress: Progress,
    since: Instant,
    /// Bytes that had moved when it started.
    from: u64,
    /// When it is aborted, whatever its rate.
    end: Instant,
}

impl Draining {
    /// When to check it again at the latest.
    fn ends(&self) -> Instant {
        self.progress.ends().min(self.end)
    }
}

/// What to do next.
enum Step {
    /// Read up to `max` bytes; ask again at `until`.
    Read { max: usize, until: Instant },
    /// Read nothing until then.
    Wait(Instant),
}
