//! The server under attack, with its clients and all that is measured.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::{Disconnect, DisconnectKind, Evidence, Point, StopReason};
use echoctl_trial::spawn::OutputWatch;
use echoctl_verdict::audit;

use super::background::Background;
use super::bystander::{Bystanders, Subscriber};
use super::clients::Clients;
use super::connector::Connector;
use super::control::{self, SlowReaderEnd};
use super::drain::Draining;
use super::driver::{Moment, Observed, Progress, Read, Scene, Until};
use super::monitor::Monitor;
use super::payload_census::PayloadCensus;
use super::token_bucket::TokenBucket;
use crate::Error;
use crate::protocol::Protocol;
use crate::script::Script;
use crate::sys;

/// A real server.
#[derive(Debug)]
pub(super) struct LiveScene<'a> {
    pub(super) clients: Clients,
    pub(super) monitor: Monitor,
    pub(super) connector: Connector<'a>,
    pub(super) bystanders: Option<Bystanders>,
    pub(super) subscriber: Option<Subscriber>,
    pub(super) census: Option<PayloadCensus>,
    pub(super) background: Background,
    /// What the server's command prints, if it is known.
    pub(super) printed: Option<OutputWatch>,
    pub(super) control: ControlPlan<'a>,
    /// The payload that the clients had sent when they closed their connections, on each of them.
    pub(super) sent: Option<u64>,
    /// What the server said at the end of a connection, and how it violated its protocol.
    pub(super) closing: Option<String>,
    pub(super) violation: Option<String>,
    /// The protocol of what a client was answered that is not a slow reader, if it is recognised.
    pub(super) protocol: Option<Protocol>,
}

/// How a client that reads is attacked, to compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct ControlPlan<'a> {
    pub(super) script: &'a Script,
    /// Bytes per second.
    pub(super) rate: u64,
    /// Until when a server that has read nothing is attacked again, because it may still be starting.
    pub(super) warm_at: Instant,
    /// Time limit for its connections and steps.
    pub(super) timeout: Duration,
    pub(super) stop: &'a AtomicBool,
}

impl Scene for LiveScene<'_> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn begin(&mut self) {
        if let Some(census) = &mut self.census {
            census.begin(&mut self.monitor);
        }
        self.monitor.begin();
        self.clients.settle();
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
            Until::Timeout => Vec::new(),
        };
        sockets.extend(self.bystanders.iter().flat_map(Bystanders::sockets));
        sockets.extend(self.subscriber.iter().filter_map(Subscriber::socket));
        sys::wait(&sockets, timeout);
    }

    fn observe(&mut self, blocked: bool) -> Observed {
        self.monitor.observe(&mut self.clients, blocked)
    }

    fn ended(&mut self) -> Option<Disconnect> {
        if self.sent.is_some() && !self.bystanders.as_ref().is_some_and(Bystanders::serves_several) {
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
        self.clients.go_on();
        let now = self.now();
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.attend(now);
        }
        self.bystanders.as_mut().map_or(Ok(()), |bystanders| bystanders.attend(&mut self.connector, now))
    }

    fn pause_bystander(&mut self, pause: bool) {
        if let Some(bystanders) = &mut self.bystanders {
            bystanders.pause(pause);
        }
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.note_stall(pause);
        }
    }

    fn ask(&mut self, moment: Moment) {
        let now = self.now();
        if let Some(bystanders) = &mut self.bystanders {
            bystanders.ask(moment, now);
        }
        if let Some(subscriber) = self.subscriber.as_mut().filter(|_| moment == Moment::During) {
            subscriber.ask(now);
        }
    }

    fn are_answered(&mut self) -> Result<bool, Error> {
        self.clients.go_on();
        let now = self.now();
        let mut are_answered = self.subscriber.as_mut().is_none_or(|subscriber| subscriber.is_answered(now));
        if let Some(bystanders) = &mut self.bystanders {
            are_answered &= bystanders.are_answered(&mut self.connector, now)?;
        }
        if !are_answered {
            let subscriber = self.subscriber.iter().filter_map(Subscriber::socket);
            let sockets: Vec<_> =
                self.bystanders.iter().flat_map(Bystanders::sockets).chain(subscriber).collect();
            sys::wait(&sockets, ROUND);
        }
        Ok(are_answered)
    }

    fn inspect(&mut self, evidence: &mut Evidence) {
        // It may find servers behind the server, which are part of what the monitor finishes.
        if let Some(census) = self.census.as_mut().filter(|_| evidence.disconnect.is_none()) {
            evidence.census = census.take(&mut self.monitor);
        }
        self.monitor.finish(evidence);
    }

    fn begin_drain(&mut self, drain: &mut Draining) {
        if let Some(census) = &self.census {
            census.begin_drain(drain);
        }
    }

    fn end_drain(&mut self, drain: &Draining, evidence: &mut Evidence) {
        evidence.input_credit = self.clients.input_credit();
        if let Some(census) = &self.census {
            evidence.census = evidence.census.take().and_then(|taken| census.end_drain(taken, drain));
        }
    }

    fn leave(&mut self) {
        let senders = self.clients.senders().len().max(1) as u64;
        self.sent = Some(self.clients.sent() / senders);
        (self.closing, self.violation) = (self.clients.closing(), self.clients.violation());
        self.clients.close();
    }

    fn watch_background(&mut self) -> bool {
        self.background.watch_aftermath()
    }

    fn finish(&mut self, evidence: &mut Evidence) -> Result<(), Error> {
        let now = self.now();
        let bystanders = self.bystanders.as_ref().map(|bystanders| bystanders.evidence(now));
        evidence.bystanders = match &self.subscriber {
            Some(subscriber) => subscriber.evidence(bystanders),
            None => bystanders,
        };
        evidence.background = self.background.evidence();
        (evidence.closing, evidence.violation) = (self.closing.take(), self.violation.take());
        evidence.out_of_memory = self.printed.as_ref().and_then(OutputWatch::out_of_memory);
        match evidence.disconnect {
            Some(end) if end.kind != DisconnectKind::Crashed => self.attack_a_reader(end, evidence),
            Some(_) => Ok(()),
            None => self.listen(evidence),
        }
    }
}

impl LiveScene<'_> {
    /// Finds out how much of what was drained the server sends in any case. A subscriber's share of what is published is none of it, nor
    /// is what a request over HTTP/2 begins.
    fn listen(&mut self, evidence: &mut Evidence) -> Result<(), Error> {
        let ControlPlan { script, timeout, stop, .. } = self.control;
        let is_ongoing = evidence
            .drain
            .as_ref()
            .is_some_and(|drain| drain.stopped == StopReason::Enough && drain.beyond_kernels() > 0);
        if evidence.repeats && is_ongoing && script.publisher.is_none() && script.http2.is_none() {
            self.connector.renew(Instant::now() + timeout);
            evidence.unprompted = control::listen(script, &mut self.connector, stop)?;
        }
        Ok(())
    }

    /// Does to a client that reads what was done to the slow reader that was disconnected.
    fn attack_a_reader(&mut self, end: Disconnect, evidence: &mut Evidence) -> Result<(), Error> {
        let ControlPlan { script, rate, warm_at, timeout, stop } = self.control;
        if Instant::now() < warm_at && audit::was_refused(evidence) {
            return Ok(());
        }
        self.connector.renew(Instant::now() + timeout);
        let written = evidence.points.last().map_or(0, Point::server_written);
        let drained = evidence.drain.as_ref().map_or(0, |drain| drain.bytes);
        let has_output = written > 0 || drained > 0;
        let slow = SlowReaderEnd { seconds: end.t, sent: self.sent.unwrap_or(0), has_output };
        if let Some(ended) = control::run(script, &mut self.connector, slow, rate, stop)? {
            evidence.control = Some(ended.control);
            self.protocol = self.protocol.or(ended.protocol);
        }
        Ok(())
    }
}

/// The longest wait between two looks at the clock.
const ROUND: Duration = Duration::from_millis(10);

/// Time between the last packet of a connection and the exit of its process.
const DYING: Duration = Duration::from_millis(150);
