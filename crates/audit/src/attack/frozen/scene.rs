//! The server under attack by a frozen client, with all that is measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::{Control, Disconnect, DisconnectKind, Evidence};
use echoctl_trial::spawn::OutputWatch;

use super::ClientFailure;
use super::client::{Client, Launcher};
use super::newcomer::Newcomers;
use crate::Error;
use crate::attack::drain::Draining;
use crate::attack::driver::{Moment, Observed, Progress, Read, Scene, Until};
use crate::attack::monitor::Monitor;
use crate::attack::token_bucket::TokenBucket;

/// A server whose client is frozen.
pub(super) struct FrozenScene<'a> {
    pub(super) client: Option<Client>,
    pub(super) launcher: Launcher<'a>,
    pub(super) monitor: Monitor,
    pub(super) newcomers: Newcomers,
    /// What the server's command prints, if it is known.
    pub(super) printed: Option<OutputWatch>,
    pub(super) stop: &'a AtomicBool,
    pub(super) state: State,
    /// Whether the server wrote more once the client was thawed.
    pub(super) went_on: bool,
}

/// What the client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Frozen {
        /// When it was looked at last.
        looked: Instant,
    },
    Thawed {
        /// Bytes that it had read by now.
        consumed: u64,
        /// Bytes that the server had written when it was thawed.
        written: Option<u64>,
    },
}

impl Scene for FrozenScene<'_> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The clock runs since the first bytes.
    fn begin(&mut self) {}

    fn send(&mut self, _: &mut TokenBucket, _: u64) -> Progress {
        Progress::Done
    }

    fn produced(&self) -> u64 {
        0
    }

    fn read(&mut self, drain: &mut Draining) -> Read {
        let Some(client) = &mut self.client else { return Read::End };
        client.look();
        let now = client.connections.consumed();
        let State::Thawed { consumed, .. } = &mut self.state else { return Read::Nothing };
        let new = now - *consumed;
        *consumed = now;
        drain.note_count(new, Instant::now());
        if new > 0 {
            Read::Some
        } else if client.connections.closed().is_some() || client.ended().is_some() {
            Read::End
        } else {
            Read::Nothing
        }
    }

    fn wait(&mut self, _: Until, timeout: Duration) {
        thread::sleep(timeout.min(ROUND));
    }

    fn observe(&mut self, _: bool) -> Observed {
        let t = self.monitor.elapsed();
        let traffic = self.client.as_mut().map(|client| {
            client.look();
            client.connections.traffic(t)
        });
        self.monitor.complete(traffic.unwrap_or_default())
    }

    fn ended(&mut self) -> Option<Disconnect> {
        let closed = match &mut self.client {
            Some(client) => {
                let closed = client.connections.closed();
                if closed.is_some() && client.ended().is_some() {
                    // It has closed its connections itself.
                    return None;
                }
                // A server may disconnect a client when the same client comes again.
                closed.filter(|_| !self.newcomers.may_replace())
            }
            // A server for one client may exit when it has served it.
            None if !self.newcomers.serves_several() => return None,
            None => None,
        };
        let is_closed = closed.is_some();
        if !is_closed && !self.monitor.has_crashed(false) {
            return None;
        }
        let t = self.monitor.elapsed();
        // A process that dies closes its sockets first: wait until it is gone.
        let deadline = Instant::now() + DYING;
        while !self.monitor.has_crashed(is_closed) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            // A frozen client does not answer the server's end with its own: it has been killed.
            let ended = self.client.as_mut().is_some_and(|client| client.ended().is_some());
            if ended && matches!(self.state, State::Frozen { .. }) {
                return None;
            }
        }
        let crashed = self.monitor.has_crashed(is_closed).then_some(DisconnectKind::Crashed);
        Some(Disconnect { t, kind: crashed.or(closed)? })
    }

    /// Keeps the client frozen: its processes may be continued by others.
    fn attend(&mut self) -> Result<(), Error> {
        let (State::Frozen { looked }, Some(client)) = (&mut self.state, &mut self.client) else {
            return Ok(());
        };
        if looked.elapsed() < KEEPING {
            return Ok(());
        }
        if let Some(how) = client.ended() {
            let output = client.last_output();
            return Err(ClientFailure::Killed { how, output }.into());
        }
        client.freeze()?;
        *looked = Instant::now();
        Ok(())
    }

    fn pause_bystander(&mut self, _: bool) {}

    fn ask(&mut self, moment: Moment) {
        // Without another client, nothing is known about others.
        let _ = self.newcomers.ask(moment, self.launcher);
    }

    fn are_answered(&mut self) -> Result<bool, Error> {
        let is_closed = self.client.as_ref().is_some_and(|client| client.connections.closed().is_some());
        let is_answered = self.newcomers.is_answered(self.launcher, is_closed)?;
        if !is_answered {
            thread::sleep(ROUND);
        }
        Ok(is_answered)
    }

    /// What the client has received is not visible, so that it cannot be counted in the server's memory.
    fn inspect(&mut self, evidence: &mut Evidence) {
        self.monitor.finish(evidence);
    }

    fn begin_drain(&mut self, _: &mut Draining) {
        let Some(client) = &mut self.client else { return };
        client.look();
        let written = client.connections.traffic(0.0).sample.server_written;
        self.state = State::Thawed { consumed: client.connections.consumed(), written };
        client.thaw();
    }

    fn end_drain(&mut self, _: &Draining, _: &mut Evidence) {
        let (State::Thawed { written, .. }, Some(client)) = (self.state, &mut self.client) else { return };
        self.went_on |= client.connections.traffic(0.0).sample.server_written > written;
        // There may be another stall. If it cannot be frozen any more, the next look says so.
        let _ = client.freeze();
        self.state = State::Frozen { looked: Instant::now() };
    }

    fn leave(&mut self) {
        self.client = None;
    }

    /// What the server did before there was a client was not watched, so there is nothing to compare.
    fn watch_background(&mut self) -> bool {
        true
    }

    fn finish(&mut self, evidence: &mut Evidence) -> Result<(), Error> {
        evidence.bystanders = self.newcomers.evidence(self.went_on);
        evidence.out_of_memory = self.printed.as_ref().and_then(OutputWatch::out_of_memory);
        match evidence.disconnect {
            Some(end) if end.kind != DisconnectKind::Crashed => self.run_a_reader(end.t, evidence),
            _ => Ok(()),
        }
    }
}

impl FrozenScene<'_> {
    /// Runs the client for a little longer than the frozen one was connected, which was `seconds`, and never freezes it.
    fn run_a_reader(&mut self, seconds: f64, evidence: &mut Evidence) -> Result<(), Error> {
        let seconds = seconds + (seconds * 0.2 + 0.3).min(MOST_LONGER);
        let mut reader = self.launcher.start()?;
        let mut began: Option<Instant> = None;
        let mut control = Control::default();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            reader.look();
            control.received = reader.connections.received();
            if control.received > 0 {
                control.seconds = began.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
            }
            let is_over = reader.connections.closed().is_some() || reader.ended().is_some();
            if began.is_some() && is_over {
                control.disconnected_at = Some(control.seconds);
            }
            if is_over || control.seconds >= seconds {
                break;
            }
            if began.is_none() && reader.age() >= STARTING {
                // It got nothing at all: the server is gone, or does not accept it a second time.
                return Ok(());
            }
            thread::sleep(ROUND);
        }
        control.sent = reader.connections.traffic(0.0).sample.produced;
        evidence.control = began.map(|_| control);
        Ok(())
    }
}

/// The longest wait between two looks.
const ROUND: Duration = Duration::from_millis(10);

/// Interval at which a frozen client is looked at.
const KEEPING: Duration = Duration::from_millis(200);

/// Time between the last packet of a connection and the exit of its process.
const DYING: Duration = Duration::from_millis(150);

/// Seconds by which a client that reads runs longer at most: more than any imprecision of a time limit of some minutes.
const MOST_LONGER: f64 = 6.0;

/// Time limit for its first bytes.
const STARTING: Duration = Duration::from_secs(20);
