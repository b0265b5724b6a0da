//! Drives a run: samples client and server, stops the client at a limit, and notices what the server does to the connections.
//!
//! [`Trial::run`] samples at a constant interval, with additional samples while bytes move fast. A caller with several runs at the
//! same time (the demo, a lesson) calls [`Trial::sample`] at instants of its own.

use std::ops::ControlFlow;
use std::time::Duration;

use echoctl_client::{Config, Ending, Flood, Outcome, Reading};
use echoctl_observe::{
    Due, Observation, ProcessTree, RootExit, SampleSource, Sampler, SamplingInterval, SamplingSchedule,
};
use echoctl_record::{ConnectionLogger, Drain, Point, Sample, StopReason};
use echoctl_verdict::unwritten::does_not_hold;
use tokio::runtime::Handle;

use crate::client::{Client, ClientState, FloodClient, watched};
use crate::history::{History, Peaks, Use};
use crate::other_clients::OtherClients;
use crate::{Error, TrialOutcome};

/// A run in progress: its client sends, and it can be sampled.
pub struct Trial<C = FloodClient, S = Sampler> {
    config: Config,
    memory_limit: Option<u64>,
    client: C,
    source: S,
    others: Option<OtherClients>,
    history: History,
    is_over_memory: bool,
    is_closed_by_server: bool,
    /// Processes of the server that have exited.
    exited: Option<RootExit>,
    /// Number of its processes that were suspended before the run.
    suspended_before: Option<u32>,
    is_suspended: bool,
    /// Of a run that leaves replies unread: whether a new client was served at its end, …
    is_newcomer_served: Option<bool>,
    /// … and what came when the client read at last, if that was necessary.
    last_read: Option<Drain>,
    log: Option<ConnectionLogger>,
    outcome: Option<Outcome>,
}

/// A run at one instant.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The newest sample, windows, limits and states.
    pub observation: Observation,
    /// Why it was taken.
    pub due: Due,
    /// The client.
    pub client: ClientState,
    /// Maxima until now.
    pub peaks: Peaks,
    /// Whether no connection has been closed, so that the counters show where bytes are.
    pub is_alive: bool,
}

impl Trial {
    /// Starts the client on a runtime. `server` are the processes whose memory is measured, first while the connections are idle: a
    /// fast client fills a queue before the first sample.
    pub fn start(flood: Flood, mut server: Option<ProcessTree>, runtime: &Handle) -> Trial {
        let config = flood.config().clone();
        let idle = server.as_mut().map(ProcessTree::read).filter(|tree| tree.processes > 0);
        let source = Sampler::new(flood.connections().iter().map(watched).collect(), server);
        let trial = Trial::new(config, FloodClient::start(flood, runtime), source);
        Trial { history: History::since(idle.map(|tree| tree.memory.total())), ..trial }
    }

    /// Counts what other clients send to the server, because its memory grows by that as well.
    #[must_use]
    pub fn with_other_clients(self) -> Trial {
        Trial { others: OtherClients::new(self.config.addr, self.client.local_addrs()), ..self }
    }
}

impl<C: Client, S: SampleSource> Trial<C, S> {
    /// A run of a client that has just started to send as `config` says.
    pub fn new(config: Config, client: C, source: S) -> Trial<C, S> {
        Trial {
            config,
            memory_limit: None,
            client,
            source,
            others: None,
            history: History::default(),
            is_over_memory: false,
            is_closed_by_server: false,
            exited: None,
            suspended_before: None,
            is_suspended: false,
            is_newcomer_served: None,
            last_read: None,
            log: None,
            outcome: None,
        }
    }

    /// Stops the client once the server's memory has grown by this many bytes.
    #[must_use]
    pub fn with_memory_limit(self, growth: u64) -> Trial<C, S> {
        Trial { memory_limit: Some(growth), ..self }
    }

    /// Keeps the counters of each connection, for a recording.
    #[must_use]
    pub fn with_connection_log(self) -> Trial<C, S> {
        Trial { log: Some(ConnectionLogger::default()), ..self }
    }

    /// The client.
    pub fn client(&self) -> &C {
        &self.client
    }

    /// Samples the run until the client has finished, and calls `each` with every moment. If `each` breaks, the client is stopped.
    ///
    /// # Errors
    /// If the client failed.
    pub fn run(mut self, mut each: impl FnMut(&Moment) -> ControlFlow<()>) -> Result<TrialOutcome, Error> {
        let mut schedule = SamplingSchedule::new(SamplingInterval::default());
        let mut shown = ControlFlow::Continue(());
        while !self.is_done()? {
            if let Some(due) = schedule.due(self.client.now(), self.client.produced()) {
                let observation = self.observe();
                let moment = self.note(observation, due);
                if shown.is_continue() {
                    shown = each(&moment);
                    if shown.is_break() {
                        self.client.abort();
                    }
                }
            }
            self.client.sleep(schedule.wait(self.client.now()));
        }
        self.await_exit_of_server();
        let observation = without(self.source.sample_all(), self.client.introduction());
        let last = self.note(observation, Due::Regular);
        if shown.is_continue() {
            let _ = each(&last);
        }
        self.see_whether_it_goes_on(&last.observation.sample);
        self.finish()
    }

    /// Takes a sample now.
    pub fn sample(&mut self) -> Sample {
        let observation = self.observe();
        self.note(observation, Due::Regular).observation.sample
    }

    /// Whether the client has finished.
    ///
    /// # Errors
    /// If it failed.
    pub fn is_done(&mut self) -> Result<bool, Error> {
        if self.outcome.is_none() {
            self.outcome = self.client.outcome()?;
        }
        Ok(self.outcome.is_some())
    }

    /// Waits until the client has finished, and returns everything that was measured.
    ///
    /// # Errors
    /// If the client failed.
    pub fn finish(mut self) -> Result<TrialOutcome, Error> {
        let client = loop {
            match self.outcome.take() {
                Some(outcome) => break outcome,
                None => self.outcome = self.client.outcome()?,
            }
            self.client.sleep(CHECK_INTERVAL);
        };
        let has_closed = self.is_closed_by_server || client.was_closed();
        Ok(TrialOutcome {
            config: self.config,
            client,
            history: self.history,
            memory_limit: self.memory_limit,
            is_over_memory: self.is_over_memory,
            server_exited: self.exited.and_then(|exit| exit.of_server(has_closed)),
            is_closed_by_server: self.is_closed_by_server,
            is_suspended: self.is_suspended,
            is_newcomer_served: self.is_newcomer_served,
            last_read: self.last_read,
            connections: self.log.map(ConnectionLogger::finish),
            others: self.others.map(OtherClients::finish).unwrap_or_default(),
        })
    }

    /// Reads the connections, without what named them.
    fn observe(&mut self) -> Observation {
        without(self.source.sample(), self.client.introduction())
    }

    /// Keeps a sample, and stops the client where a limit is exceeded.
    fn note(&mut self, observation: Observation, due: Due) -> Moment {
        let client = self.client.state();
        let path = observation.path;
        if let Some(log) = &mut self.log {
            self.source.log(&observation, log);
        }
        let is_alive = path.alive == path.connections;
        let tree = observation.tree;
        let point = Point {
            sample: observation.sample,
            blocked: client.held_back.is_some(),
            cpu_seconds: tree.map(|tree| tree.processor_time.as_secs_f64()),
            disk_written: tree.and_then(|tree| tree.disk_written),
            output_is_full: (path.server_send.queues > 0).then(|| path.server_send.is_full()),
            output_credit: None,
            after_drain: false,
        };
        let used = match is_alive {
            true if client.sending > 0 && self.is_starved(point.sample.t) => Use::Evidence,
            true => Use::Record,
            false => Use::AfterClose,
        };
        self.history.add(point, used);
        self.exited = observation.exited.or(self.exited);
        if let Some(tree) = tree {
            let before = *self.suspended_before.get_or_insert(tree.suspended);
            self.is_suspended |= tree.suspended > before;
        }
        if let Some(others) = &mut self.others {
            others.update(self.client.now());
        }
        self.stop_at_limits(&observation, client);
        let peaks = *self.history.peaks();
        Moment { observation, due, client, peaks, is_alive }
    }

    fn stop_at_limits(&mut self, observation: &Observation, client: ClientState) {
        let growth = self.history.peaks().growth_at(&observation.sample).unwrap_or(0);
        if !self.is_over_memory && self.memory_limit.is_some_and(|limit| growth >= limit) {
            self.is_over_memory = true;
            self.client.stop();
        }
        // The server's FIN may be queued behind data that we do not read. Then no read or write of ours would show it.
        let path = observation.path;
        let are_closed = path.connections > 0 && path.closed_by_server == path.connections;
        if !self.is_closed_by_server && are_closed && client.sending == path.connections {
            self.is_closed_by_server = true;
            self.client.stop();
        }
    }

    /// Whether the client reads too little at this time, so that a sample shows how the server treats such a client.
    fn is_starved(&self, t: f64) -> bool {
        match self.config.reading {
            Reading::Nothing | Reading::AtRate(_) => true,
            Reading::For(time) => t >= time.as_secs_f64(),
            Reading::All | Reading::Pause { .. } => false,
        }
    }

    /// Waits for the server's process to exit, if it closed a connection. A process that is killed closes its sockets first and
    /// disappears a moment later. A server that only disconnects costs the full wait.
    fn await_exit_of_server(&mut self) {
        if !self.is_closed_by_server && !self.outcome.as_ref().is_some_and(Outcome::was_closed) {
            return;
        }
        let deadline = self.client.now() + EXIT_GRACE;
        while self.exited.is_none() && self.client.now() < deadline {
            self.exited = self.source.sample().exited;
            self.client.sleep(CHECK_INTERVAL);
        }
    }

    /// Of a run that leaves replies unread: sees whether the server only waits for its reader, or is deadlocked. The replies are read
    /// only if it serves no new client, which some servers never do, or has buffered bytes: one thread of it may be deadlocked. Where
    /// its memory does not hold what it has read and not written, they are read to the end: the rest is lost, or somewhere else.
    fn see_whether_it_goes_on(&mut self, before: &Sample) {
        let is_left = |outcome: &Outcome| outcome.endings.iter().all(|ending| *ending == Ending::LeftUnread);
        let is_visible = before.server_read.is_some() && before.server_written.is_some();
        if !is_visible || self.exited.is_some() || !self.outcome.as_ref().is_some_and(is_left) {
            return;
        }
        let is_served = self.client.is_newcomer_served(REPLY_TIMEOUT);
        self.is_newcomer_served = Some(is_served);
        let growth = self.history.peaks().growth();
        if does_not_hold(before, growth) {
            self.read_to_the_end();
        } else if !is_served || growth.is_some_and(|growth| growth > HEAP_SLACK) {
            self.read_until_it_goes_on(before);
        }
        self.exited = self.source.sample().exited;
    }

    /// Reads until nothing more comes, or enough has come.
    fn read_to_the_end(&mut self) {
        self.read_at_last(|drain, quiet| {
            if quiet >= GO_ON_TIMEOUT {
                Some(StopReason::Quiet)
            } else if drain.bytes >= ENOUGH || drain.seconds >= END_TIMEOUT.as_secs_f64() {
                Some(StopReason::Enough)
            } else {
                None
            }
        });
    }

    /// Reads until the server reads or writes again.
    fn read_until_it_goes_on(&mut self, before: &Sample) {
        let has_moved = |now: Option<u64>, before: Option<u64>| now > before.map(|bytes| bytes + PROGRESS);
        self.read_at_last(|drain, _| {
            if has_moved(drain.server_read, before.server_read)
                || has_moved(drain.server_written, before.server_written)
            {
                Some(StopReason::Enough)
            } else if drain.seconds >= GO_ON_TIMEOUT.as_secs_f64() {
                Some(StopReason::Quiet)
            } else {
                None
            }
        });
    }

    /// Reads replies that were left unread, until there is a reason to stop: given what came, and for how long nothing has come.
    /// These bytes are part of no sample, and not counted as read.
    fn read_at_last(&mut self, reason: impl Fn(&Drain, Duration) -> Option<StopReason>) {
        let started = self.client.now();
        let (mut drain, mut last_read) = (Drain::default(), started);
        drain.stopped = loop {
            let bytes = self.client.discard();
            let (now, sample) = (self.client.now(), self.observe().sample);
            drain.bytes += bytes;
            drain.seconds = (now - started).as_secs_f64();
            (drain.server_read, drain.server_written) = (sample.server_read, sample.server_written);
            if bytes > 0 {
                last_read = now;
            }
            if let Some(reason) = reason(&drain, now - last_read) {
                break reason;
            }
            if bytes == 0 {
                self.client.sleep(CHECK_INTERVAL);
            }
        };
        self.last_read = Some(drain);
    }
}

/// An observation without the first bytes of each direction.
fn without(mut observation: Observation, bytes: u64) -> Observation {
    let sample = &mut observation.sample;
    let visible = [
        &mut sample.server_received,
        &mut sample.server_read,
        &mut sample.server_written,
        &mut sample.client_received,
    ];
    let counters = [&mut sample.produced, &mut sample.consumed];
    for counter in counters.into_iter().chain(visible.into_iter().flatten()) {
        *counter = counter.saturating_sub(bytes);
    }
    observation
}

/// Bytes by which the memory of a server grows that buffers nothing.
const HEAP_SLACK: u64 = 8 << 20;

/// The longest time for a server to reply to a new client. It takes milliseconds.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest time for a server to go on once it is read. It takes milliseconds, and more if all cores are busy.
const GO_ON_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time for all replies to come that a server still has.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that need not be read to their end: the kernels and a queue with a limit hold fewer.
const ENOUGH: u64 = 256 << 20;

/// Bytes that show that a server goes on: window probes are fewer.
const PROGRESS: u64 = 4096;

/// Time for a process to exit after its sockets closed: a few milliseconds, and more if all cores are busy.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Interval at which a condition is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);

#[cfg(test)]
mod tests;
