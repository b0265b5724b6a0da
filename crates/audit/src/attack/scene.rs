//! The server under attack, with its clients and all that is measured.

use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::{Disconnect, DisconnectKind, Evidence};
use echoctl_trial::spawn::OutputWatch;

use super::bystander::Bystanders;
use super::clients::Clients;
use super::connector::Connector;
use super::drain::Draining;
use super::driver::{Moment, Observed, Progress, Read, Scene, Until};
use super::monitor::Monitor;
use super::token_bucket::TokenBucket;
use crate::Error;
use crate::sys;

/// A real server.
#[derive(Debug)]
pub(super) struct LiveScene<'a> {
    pub(super) clients: Clients,
    pub(super) monitor: Monitor,
    pub(super) connector: Connector<'a>,
    pub(super) bystanders: Option<Bystanders>,
    /// Whether the clients have closed their connections.
    pub(super) has_left: bool,
    /// What the server's command prints, if it is known.
    pub(super) printed: Option<OutputWatch>,
}

impl Scene for LiveScene<'_> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn begin(&mut self) {
        self.monitor.begin();
    }

    fn send(&mut self, bucket: &mut TokenBucket, left: u64) -> Progress {
        self.clients.send(bucket, left, Instant::now())
    }

    fn produced(&self) -> u64 {
        self.clients.produced()
    }

    fn read(&mut self, drain: &mut Draining) -> Read {
        self.clients.read(drain, Instant::now())
    }

    fn wait(&mut self, until: Until, timeout: Duration) {
        let mut sockets = match until {
            Until::CanSend(progress) => self.clients.sockets_to_send(progress),
            Until::CanRead => self.clients.sockets_to_read(),
        };
        sockets.extend(self.bystanders.iter().flat_map(Bystanders::sockets));
        sys::wait(&sockets, timeout);
    }

    fn observe(&mut self, blocked: bool) -> Observed {
        self.monitor.observe(&mut self.clients, blocked)
    }

    fn ended(&mut self) -> Option<Disconnect> {
        if self.has_left && !self.bystanders.as_ref().is_some_and(Bystanders::serves_several) {
            // A server for one client may exit when it has served it.
            return None;
        }
        let closed = self.clients.closed();
        let has_crashed = || self.monitor.has_crashed(closed.is_some());
        if closed.is_none() && !has_crashed() {
            return None;
        }
        let t = self.monitor.elapsed();
        // A process that dies closes its sockets first: wait until it is gone.
        let deadline = Instant::now() + DYING;
        while !has_crashed() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let crashed = has_crashed().then_some(DisconnectKind::Crashed);
        Some(Disconnect { t, kind: crashed.or(closed)? })
    }

    fn attend(&mut self) -> Result<(), Error> {
        let now = self.now();
        self.bystanders.as_mut().map_or(Ok(()), |bystanders| bystanders.attend(&mut self.connector, now))
    }

    fn pause_bystander(&mut self, pause: bool) {
        if let Some(bystanders) = &mut self.bystanders {
            bystanders.pause(pause);
        }
    }

    fn ask(&mut self, moment: Moment) {
        let now = self.now();
        if let Some(bystanders) = &mut self.bystanders {
            bystanders.ask(moment, now);
        }
    }

    fn are_answered(&mut self) -> Result<bool, Error> {
        let now = self.now();
        let Some(bystanders) = &mut self.bystanders else { return Ok(true) };
        if bystanders.are_answered(&mut self.connector, now)? {
            return Ok(true);
        }
        sys::wait(&bystanders.sockets(), ROUND);
        Ok(false)
    }

    fn inspect(&mut self, evidence: &mut Evidence) {
        self.monitor.finish(evidence);
    }

    fn leave(&mut self) {
        self.clients.close();
        self.has_left = true;
    }

    fn finish(&mut self, evidence: &mut Evidence) -> Result<(), Error> {
        let now = self.now();
        evidence.bystanders = self.bystanders.as_ref().map(|bystanders| bystanders.evidence(now));
        evidence.out_of_memory = self.printed.as_ref().and_then(OutputWatch::out_of_memory);
        Ok(())
    }
}

/// The longest wait between two looks at the clock.
const ROUND: Duration = Duration::from_millis(10);

/// Time between the last packet of a connection and the exit of its process.
const DYING: Duration = Duration::from_millis(150);
