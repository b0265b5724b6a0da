//! The consumer: reads one connection when its schedule says so, and checks every byte.
//!
//! It never looks at what the producer is doing, but for one thing: once all is sent, what is still pending is read to its
//! end, or left, as the run was told. That reading is bounded whatever the server does: by a rate below which it is given
//! up, by a time in all, and by what was sent, since more than that is no echo.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::checker::Checker;
use crate::connection::{Connection, Phase};
use crate::outcome::{CloseKind, Drain, Ending};
use crate::pacer::Pacer;
use crate::producer::{FAR_FUTURE, YIELD_EVERY, sleep_or_change};
use crate::progress::Progress;
use crate::schedule::{ReadMode, Schedule};
use crate::thread_buffer;

/// One connection's reading half.
pub(crate) struct Consumer {
    pub(crate) connection: Arc<Connection>,
    pub(crate) checker: Checker,
    pub(crate) schedule: Schedule,
    /// Keeps the rate where the schedule asks for one.
    pub(crate) pacer: Pacer,
    /// Whether all that is owed is read at the end.
    pub(crate) drains: bool,
    /// Whether that begins as soon as sending ends, whatever the schedule says.
    pub(crate) drain_at_end: bool,
    /// The window in which [`min_progress`](Self::min_progress) bytes have to move while that is read, and the time for all of it.
    pub(crate) stall_timeout: Duration,
    pub(crate) min_progress: u64,
    pub(crate) max_drain: Duration,
    /// The reading at the end, once it has begun.
    pub(crate) draining: Option<Draining>,
    /// Whether the schedule has asked for slow reading or none so far.
    pub(crate) was_throttled: bool,
    /// Set when reading resumes at full speed after that.
    pub(crate) drain: Option<Drain>,
    pub(crate) started: Instant,
}

impl Consumer {
    /// Reads until the end of the stream, or until nothing is left to be done, and says how the connection ended.
    pub(crate) async fn run(mut self) {
        let ending = self.read().await;
        if let Some(drain) = self.drain {
            self.connection.set_drain(drain);
        }
        self.connection.end(ending);
    }

    async fn read(&mut self) -> Ending {
        let mut phases = self.connection.phases();
        let mut reads = 0;
        loop {
            let phase = *phases.borrow_and_update();
            if phase == Phase::Over {
                return Ending::Stopped;
            }
            if phase == Phase::Sent && !self.drains {
                return Ending::LeftUnread;
            }
            let (max, until) = match self.next_step(phase) {
                Step::Read { max, until } => (max, until),
                Step::Wait(until) => {
                    // A wait of our own is not the server's.
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

    /// What the schedule asks for now.
    fn next_step(&mut self, phase: Phase) -> Step {
        let now = self.started.elapsed();
        let scheduled = self.schedule.at(now);
        self.was_throttled |= !matches!(scheduled, ReadMode::Unlimited { .. });
        let mode = match phase {
            Phase::Sending => scheduled,
            _ if self.drain_at_end => ReadMode::Unlimited { until: None },
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

    /// Waits for bytes, for a new phase, until `until`, or until the reading at the end is to be judged again.
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

    /// The ending when the reading at the end takes too long. It begins with the first call.
    fn overdue(&mut self) -> Option<Ending> {
        let now = Instant::now();
        // What is left to be sent counts as well: a frame is finished before the end.
        let moved = self.connection.produced() + self.connection.consumed();
        let draining = self.draining.get_or_insert_with(|| {
            let time = self.max_drain.saturating_add(2 * now.duration_since(self.started)).min(FAR_FUTURE);
            let progress = Progress::start(self.stall_timeout.min(FAR_FUTURE), self.min_progress, now, moved);
            Draining { progress, since: now, from: moved, end: now + time }
        });
        let pending = self.connection.produced().saturating_sub(self.connection.consumed());
        let timed_out = |moved, within| Ending::TimedOut { moved, within, pending };
        if let Some(moved) = draining.progress.is_too_slow(now, moved) {
            return Some(timed_out(moved, draining.progress.window()));
        }
        (now >= draining.end).then(|| timed_out(moved - draining.from, now - draining.since))
    }

    fn excess(&mut self) -> Ending {
        self.checker.record_excess();
        self.connection.record_read(0, self.checker.tally());
        Ending::Excess { consumed: self.connection.consumed(), produced: self.connection.produced() }
    }

    fn end_of_stream(&mut self) -> Ending {
        // Asked anew: the producer may have sent its FIN since, and this is the answer to it.
        if self.connection.phase() < Phase::Sent {
            return Ending::PeerClosed { how: CloseKind::EndOfStream, at: self.started.elapsed() };
        }
        self.checker.finish(self.connection.frames());
        self.connection.record_read(0, self.checker.tally());
        Ending::Complete
    }

    /// The instant of a time of the run; far away for `None`.
    fn time(&self, elapsed: Option<Duration>) -> Instant {
        self.started + elapsed.unwrap_or(FAR_FUTURE).min(FAR_FUTURE)
    }
}

/// The reading of what is pending once all is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draining {
    progress: Progress,
    since: Instant,
    /// Bytes that had moved when it began.
    from: u64,
    /// When it is given up, however fast it goes.
    end: Instant,
}

impl Draining {
    /// When to judge it again at the latest.
    fn ends(&self) -> Instant {
        self.progress.ends().min(self.end)
    }
}

/// What to do next.
enum Step {
    /// Read up to so many bytes; ask again at `until`.
    Read { max: usize, until: Instant },
    /// Read nothing until then.
    Wait(Instant),
}

/// Bytes of one read: enough that the cost of a system call does not show, and half of a common L2 cache.
const READ_SIZE: usize = 128 * 1024;
