//! The server under attack, with its clients and all that is measured.

use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::{Disconnect, DisconnectKind};

use super::bystander::Bystander;
use super::clients::Clients;
use super::drain::Draining;
use super::driver::{Observed, Progress, Read, Scene, Until};
use super::monitor::Monitor;
use super::token_bucket::TokenBucket;

/// A real server.
#[derive(Debug)]
pub(super) struct LiveScene {
    pub(super) clients: Clients,
    pub(super) monitor: Monitor,
    pub(super) bystander: Option<Bystander>,
}

impl Scene for LiveScene {
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
        match until {
            Until::CanSend(progress) => self.clients.wait_to_send(progress, timeout),
            Until::CanRead => self.clients.wait_to_read(timeout),
        }
    }

    fn observe(&mut self, blocked: bool) -> Observed {
        self.monitor.observe(&mut self.clients, blocked)
    }

    fn ended(&mut self) -> Option<Disconnect> {
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

    fn pause_bystander(&mut self, pause: bool) {
        if let Some(bystander) = &self.bystander {
            bystander.pause(pause);
        }
    }
}

/// Time between the last packet of a connection and the exit of its process.
const DYING: Duration = Duration::from_millis(150);
