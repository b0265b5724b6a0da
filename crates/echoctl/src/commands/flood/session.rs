//! Samples a run 20 times per second, shows it, and collects evidence for the verdict.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use echoctl_client::{Config, Connection, Ending, Flood, Outcome, Phase, Rate, Reading, StopHandle, Totals};
use echoctl_observe::{MAX_PER_SAMPLE, MemoryShare, Observation, RootExit, Sampler, ServerClose};
use echoctl_record::{Point, Queue, Queues, Sample, decimate};
use echoctl_trial::watched;
use echoctl_verdict::flood::OtherInput;

use super::args::Args;
use super::other_clients::OtherClients;
use super::progress::{ProgressView, Update};
use super::target::Target;
use crate::exit::Failure;
use crate::output::recorder::Recorder;

/// A run in progress.
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) target: String,
    pub(super) pids: Vec<u32>,
    pub(super) json: bool,
    /// Limit of the server's memory growth.
    pub(super) memory: MemoryShare,
    /// Name and pid of the server, or why they are unknown.
    pub(super) server: String,
    /// Evidence for the verdict: samples of the time in which we sent and did not read at full speed.
    pub(super) points: Vec<Point>,
    /// The first sample.
    pub(super) first: Option<Sample>,
    /// The sample with most bytes in flight, while all connections were alive.
    pub(super) peak: Sample,
    pub(super) last: Sample,
    /// Maxima of the bytes inside the server and of its memory.
    pub(super) most_inside: Option<u64>,
    pub(super) most_memory: Option<u64>,
    /// Whether the memory limit ended the run.
    pub(super) over_memory: bool,
    /// Whether the server exited: see [`RootExit::of_server`].
    pub(super) server_ended: bool,
    pub(super) closed_by_server: bool,
    pub(super) recorder: Recorder,
    others: Option<OtherClients>,
    /// Which of the server's processes have exited.
    exited: Option<RootExit>,
    sampler: Sampler,
    connections: Vec<Arc<Connection>>,
    view: ProgressView,
}

impl Session {
    /// A run that is connected and about to send.
    pub(super) fn new(
        args: &Args,
        config: &Config,
        server: Target,
        memory: MemoryShare,
        recorder: Recorder,
        flood: &Flood,
    ) -> Session {
        Session {
            config: config.clone(),
            target: args.server.addr.clone(),
            memory,
            pids: server.pids,
            json: args.json,
            server: server.label,
            points: Vec::new(),
            first: None,
            peak: Sample::default(),
            last: Sample::default(),
            most_inside: None,
            most_memory: None,
            over_memory: false,
            server_ended: false,
            exited: None,
            closed_by_server: false,
            recorder,
            others: OtherClients::new(config.addr, flood.connections().iter().map(|own| own.local_addr())),
            sampler: Sampler::new(flood.connections().iter().map(watched).collect(), server.tree),
            connections: flood.connections().to_vec(),
            view: ProgressView::new(args, config),
        }
    }

    /// Samples and shows the run until its outcome arrives.
    pub(super) fn watch(
        &mut self,
        outcome: &Receiver<Outcome>,
        stop: &StopHandle,
    ) -> Result<Outcome, Failure> {
        let (mut due, mut moved) = (Instant::now(), 0);
        loop {
            let wait = due.saturating_duration_since(Instant::now()).min(CHECK_INTERVAL);
            match outcome.recv_timeout(wait) {
                Ok(outcome) => {
                    if let Some(others) = &mut self.others {
                        others.update_now();
                    }
                    let has_closed = self.closed_by_server || was_closed(&outcome);
                    if has_closed {
                        self.await_end_of_server();
                    }
                    self.sample(stop, true)?;
                    self.server_ended = self.exited.and_then(|exited| exited.of_server(has_closed)).is_some();
                    return Ok(outcome);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the client failed").into()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let is_regular = Instant::now() >= due;
            if is_regular || self.moved() - moved >= BYTES_PER_SAMPLE {
                moved = self.moved();
                self.sample(stop, is_regular)?;
            }
            if is_regular {
                // A slow reader of our output delays samples. The next one is then taken at once, and none is caught up.
                due = (due + INTERVAL).max(Instant::now());
            }
        }
    }

    /// Waits for the server's process to exit after it closed its connections. A process that is killed closes its sockets first
    /// and disappears a moment later. A server that only disconnects costs the full wait.
    fn await_end_of_server(&mut self) {
        let deadline = Instant::now() + END_OF_SERVER;
        while self.exited.is_none() && Instant::now() < deadline {
            self.exited = self.sampler.sample().exited;
            std::thread::sleep(CHECK_INTERVAL);
        }
    }

    /// Takes one sample, shows it, and stops the run where a limit is exceeded.
    fn sample(&mut self, stop: &StopHandle, is_regular: bool) -> io::Result<()> {
        let look = self.sampler.sample();
        let totals = stop.totals();
        self.collect(&look, &totals);
        let grown = self.growth(&look.sample).unwrap_or(0);
        if let Some(others) = &mut self.others {
            others.update();
        }
        if grown >= self.memory.limit && !self.over_memory {
            self.over_memory = true;
            stop.stop();
        }
        self.exited = look.exited;
        if !self.closed_by_server && self.has_been_closed() {
            self.closed_by_server = true;
            stop.stop();
        }
        let held_back = self.held_back(&totals);
        let first = self.first.unwrap_or(look.sample);
        let is_alive = self.is_alive();
        let most_memory = self.most_memory;
        let has_sent_all = !self.is_sending();
        let update = Update {
            look: &look,
            is_regular,
            totals: &totals,
            server: &self.server,
            first,
            held_back,
            is_alive,
            has_sent_all,
            most_memory,
            growth_limit: self.memory.limit,
            is_slow_reader: self.is_slow_reader(),
        };
        self.view.show(&update)
    }

    /// What other clients sent during the run.
    pub(super) fn other_input(&self) -> OtherInput {
        self.others.as_ref().map(OtherClients::most).unwrap_or_default()
    }

    /// Growth of the server's memory since the start.
    pub(super) fn growth(&self, now: &Sample) -> Option<u64> {
        Some(now.server_memory?.saturating_sub(self.first?.server_memory?))
    }

    fn collect(&mut self, look: &Observation, totals: &Totals) {
        let sample = look.sample;
        self.first.get_or_insert(sample);
        self.last = sample;
        self.recorder.add(sample);
        self.most_memory = self.most_memory.max(sample.server_memory);
        if !self.is_alive() {
            // The queues of a closed connection are gone, and their bytes look as if they had been read.
            return;
        }
        self.most_inside = self.most_inside.max(Queues::of(&sample)[Queue::Inside]);
        let in_flight = |sample: &Sample| sample.produced.saturating_sub(sample.consumed);
        if in_flight(&sample) >= in_flight(&self.peak) {
            self.peak = sample;
        }
        if self.is_evidence(sample.t) {
            self.points.push(Point {
                sample,
                blocked: totals.stalled > 0 && totals.stalled == totals.open,
                cpu_seconds: look.tree.map(|tree| tree.processor_time.as_secs_f64()),
                disk_written: look.tree.and_then(|tree| tree.disk_written),
            });
            decimate(&mut self.points, MAX_POINTS);
        }
    }

    /// Whether this sample shows how the server treats a client that does not read, or reads slowly.
    fn is_evidence(&self, t: f64) -> bool {
        let starved = match self.config.reading {
            Reading::Nothing | Reading::AtRate(_) => true,
            Reading::For(time) => t >= time.as_secs_f64(),
            Reading::All | Reading::Pause { .. } => false,
        };
        self.is_sending() && starved
    }

    /// Whether the client reads at a rate below that of the producer.
    pub(super) fn is_slow_reader(&self) -> bool {
        match (self.config.reading, self.config.rate) {
            (Reading::AtRate(read), Rate::Limited(sent)) => read < sent,
            (Reading::AtRate(_), Rate::Max) => true,
            _ => false,
        }
    }

    /// Seconds, up to now, in which no connection could write.
    pub(super) fn total_wait(&self) -> f64 {
        let steps = self.points.windows(2).filter(|pair| pair[0].blocked);
        steps.map(|pair| pair[1].sample.t - pair[0].sample.t).sum()
    }

    fn is_sending(&self) -> bool {
        self.connections.iter().any(|connection| connection.phase() == Phase::Sending)
    }

    /// Whether the server has closed all connections while they were sending. Its FIN may be queued behind data that we do not
    /// read. Then only its own socket shows it, and no read or write of ours would.
    fn has_been_closed(&self) -> bool {
        let sending = self.connections.iter().all(|connection| connection.phase() == Phase::Sending);
        sending
            && self
                .sampler
                .connections()
                .all(|connection| connection.closed_by_server() == Some(ServerClose::Fin))
    }

    /// Whether the server has closed none of the connections, so that the counters show where bytes are.
    fn is_alive(&self) -> bool {
        self.sampler.connections().all(|connection| connection.is_alive())
    }

    /// How long no connection could write.
    fn held_back(&self, totals: &Totals) -> Option<Duration> {
        if totals.open == 0 || totals.stalled < totals.open {
            return None;
        }
        self.connections.iter().filter_map(|connection| connection.stalled()).min()
    }

    /// Bytes written so far, on the first connections only.
    fn moved(&self) -> u64 {
        self.connections.iter().take(MAX_PER_SAMPLE).map(|connection| connection.produced()).sum()
    }
}

/// Whether the server reset a connection, or closed it before the client had finished sending.
pub(super) fn was_closed(outcome: &Outcome) -> bool {
    outcome.endings.iter().any(|ending| matches!(ending, Ending::PeerClosed { .. }))
}

/// Interval of regular samples.
const INTERVAL: Duration = Duration::from_millis(50);

/// Bytes after which an extra sample is taken. At 1 GiB/s regular ones are 50 MiB apart, too few for a verdict.
const BYTES_PER_SAMPLE: u64 = 8 << 20;

/// Time for a process to exit after its sockets closed: a few milliseconds, and more if all cores are busy.
const END_OF_SERVER: Duration = Duration::from_secs(1);

/// Interval at which bytes written are checked. A check costs less than 1 µs per connection.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);

/// Points collected for the verdict: minutes of them, and bounded memory however long the run.
const MAX_POINTS: usize = 6000;
