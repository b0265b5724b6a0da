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
use crate::link::{Link, Phase};
use crate::outcome::{Ending, Hangup};
use crate::pacer::Pacer;
use crate::producer::{LONG, TURNS, sleep_or_change};
use crate::progress::Progress;
use crate::schedule::{Pace, Schedule};
use crate::scratch;

/// One connection's reading half.
pub(crate) struct Consumer {
    pub(crate) link: Arc<Link>,
    pub(crate) checker: Checker,
    pub(crate) schedule: Schedule,
    /// Keeps the rate where the schedule asks for one.
    pub(crate) pacer: Pacer,
    /// Whether all that is owed is read at the end.
    pub(crate) drains: bool,
    /// Whether that begins as soon as sending ends, whatever the schedule says.
    pub(crate) then_read: bool,
    /// The window in which [`least`](Self::least) bytes have to move while that is read, and the time for all of it.
    pub(crate) patience: Duration,
    pub(crate) least: u64,
    pub(crate) drain: Duration,
    /// The reading at the end, once it has begun.
    pub(crate) draining: Option<Draining>,
    pub(crate) started: Instant,
}

impl Consumer {
    /// Reads until the end of the stream, or until nothing is left to be done, and says how the connection ended.
    pub(crate) async fn run(mut self) {
        let ending = self.read().await;
        self.link.end(ending);
    }

    async fn read(&mut self) -> Ending {
        let mut phases = self.link.phases();
        let mut turns = 0;
        loop {
            let phase = *phases.borrow_and_update();
            if phase == Phase::Over {
                return Ending::Stopped;
            }
            if phase == Phase::Sent && !self.drains {
                return Ending::LeftUnread;
            }
            let (most, until) = match self.turn(phase) {
                Turn::Read { most, until } => (most, until),
                Turn::Wait(until) => {
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
            match self.take(most) {
                Ok(0) => return self.end_of_stream(),
                Ok(_) if self.link.has_excess() => return self.excess(),
                Ok(_) => {
                    turns += 1;
                    if turns % TURNS == 0 {
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
    fn turn(&mut self, phase: Phase) -> Turn {
        let pace = match phase {
            Phase::Sending => self.schedule.at(self.started.elapsed()),
            _ if self.then_read => Pace::Full { until: None },
            _ => self.schedule.at(self.started.elapsed()),
        };
        match pace {
            Pace::Full { until } => Turn::Read { most: READ_SIZE, until: self.time(until) },
            Pace::Stopped { until } => Turn::Wait(self.time(until)),
            Pace::Limited(_) => match self.pacer.wait(Instant::now()) {
                None => Turn::Read { most: self.pacer.chunk(READ_SIZE), until: self.time(None) },
                Some(due) => Turn::Wait(due),
            },
        }
    }

    /// Reads up to `most` bytes and checks them.
    fn take(&mut self, most: usize) -> io::Result<usize> {
        scratch::with(most, |block| {
            let taken = self.link.stream.try_read(block)?;
            self.checker.feed(&block[..taken], self.link.frames());
            self.link.took(taken, self.checker.tally());
            self.pacer.spent(taken);
            Ok(taken)
        })
    }

    /// Waits for bytes, for a new phase, until `until`, or until the reading at the end is to be judged again.
    async fn wait(&mut self, until: Instant, phases: &mut watch::Receiver<Phase>) -> io::Result<()> {
        let since = Instant::now();
        let until = self.draining.map_or(until, |draining| until.min(draining.ends()));
        let outcome = tokio::select! {
            ready = self.link.stream.readable() => ready,
            _ = phases.changed() => Ok(()),
            () = tokio::time::sleep_until(until.into()) => Ok(()),
        };
        self.pacer.forgive(since.elapsed());
        outcome
    }

    /// The ending when the reading at the end takes too long. It begins with the first call.
    fn overdue(&mut self) -> Option<Ending> {
        let now = Instant::now();
        // What is left to be sent counts as well: a frame is finished before the end.
        let moved = self.link.produced() + self.link.consumed();
        let draining = self.draining.get_or_insert_with(|| {
            let time = self.drain.saturating_add(2 * now.duration_since(self.started)).min(LONG);
            let progress = Progress::begin(self.patience.min(LONG), self.least, now, moved);
            Draining { progress, begun: now, from: moved, end: now + time }
        });
        let pending = self.link.produced().saturating_sub(self.link.consumed());
        let timed_out = |moved, within| Ending::TimedOut { moved, within, pending };
        if let Some(moved) = draining.progress.is_too_slow(now, moved) {
            return Some(timed_out(moved, draining.progress.window()));
        }
        (now >= draining.end).then(|| timed_out(moved - draining.from, now - draining.begun))
    }

    fn excess(&mut self) -> Ending {
        self.checker.exceed();
        self.link.took(0, self.checker.tally());
        Ending::Excess { consumed: self.link.consumed(), produced: self.link.produced() }
    }

    fn end_of_stream(&mut self) -> Ending {
        // Asked anew: the producer may have sent its FIN since, and this is the answer to it.
        if self.link.phase() < Phase::Sent {
            return Ending::HungUp { how: Hangup::EndOfStream, at: self.started.elapsed() };
        }
        self.checker.finish(self.link.frames());
        self.link.took(0, self.checker.tally());
        Ending::Complete
    }

    /// The instant of a time of the run; far away for `None`.
    fn time(&self, elapsed: Option<Duration>) -> Instant {
        self.started + elapsed.unwrap_or(LONG).min(LONG)
    }
}

/// The reading of what is pending once all is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draining {
    progress: Progress,
    begun: Instant,
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
enum Turn {
    /// Read up to so many bytes; ask again at `until`.
    Read { most: usize, until: Instant },
    /// Read nothing until then.
    Wait(Instant),
}

/// Bytes of one read: enough that the cost of a system call does not show, and half of a common L2 cache.
const READ_SIZE: usize = 128 * 1024;
