//! The consumer: reads one connection when its schedule says so, and checks every byte.
//!
//! It never looks at what the producer is doing, but for one thing: once all is sent, what is still owed is read to its
//! end, or left, as the run was told.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::checker::Checker;
use crate::link::{Link, Phase};
use crate::outcome::{Ending, Hangup};
use crate::pacer::Pacer;
use crate::producer::{LONG, TURNS, sleep_or_change};
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
    pub(crate) patience: Duration,
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
                    sleep_or_change(until, &mut phases).await;
                    continue;
                }
            };
            match self.take(most) {
                Ok(0) => return self.end_of_stream(),
                Ok(_) => {
                    turns += 1;
                    if turns % TURNS == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(ending) = self.wait(phase, until, &mut phases).await {
                        return ending;
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

    /// Waits for bytes, for a new phase, or until `until`. Gives up when all is to be read and nothing moves any more.
    async fn wait(
        &mut self,
        phase: Phase,
        until: Instant,
        phases: &mut watch::Receiver<Phase>,
    ) -> Option<Ending> {
        let since = Instant::now();
        let produced = self.link.produced();
        let patience = if phase == Phase::Sending { LONG } else { self.patience };
        let outcome = tokio::select! {
            ready = self.link.stream.readable() => ready.map(|()| false),
            _ = phases.changed() => Ok(false),
            () = tokio::time::sleep_until(until.into()) => Ok(false),
            () = tokio::time::sleep(patience) => Ok(true),
        };
        self.pacer.forgive(since.elapsed());
        match outcome {
            Ok(false) => None,
            Ok(true) if self.link.produced() > produced => None,
            Ok(true) => Some(Ending::GaveUp(self.patience)),
            Err(error) => Some(Ending::failed("read", &error, self.started.elapsed())),
        }
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

/// What to do next.
enum Turn {
    /// Read up to so many bytes; ask again at `until`.
    Read { most: usize, until: Instant },
    /// Read nothing until then.
    Wait(Instant),
}

/// Bytes of one read: enough that the cost of a system call does not show, and half of a common L2 cache.
const READ_SIZE: usize = 128 * 1024;
