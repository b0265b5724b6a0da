//! One side of the demo: a server in a process of its own, a client in this one, and what is seen of both.

use std::path::Path;
use std::time::Duration;

use echoctl_client::{Config, Flood, Outcome, Rate, Reading};
use echoctl_observe::{ProcessTree, Sampler};
use echoctl_record::{Queues, Sample, Summary, peak_during};
use tokio::task::JoinHandle;

use super::judge::judge;
use super::{Plan, SideOutcome};
use crate::{ChildServer, Error, summary, watched};

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Without backpressure: the bug.
    Off,
    /// With it.
    On,
}

impl Side {
    /// What `--backpressure` is called with.
    pub const fn policy(self) -> &'static str {
        match self {
            Side::Off => "off",
            Side::On => "on",
        }
    }
}

/// A server that listens and a client that is connected to it. Nothing is sent yet.
pub(super) struct Ready {
    plan: Plan,
    server: ChildServer,
    flood: Flood,
}

impl Ready {
    /// Starts the server, connects the client.
    pub(super) async fn new(side: Side, plan: &Plan, program: &Path) -> Result<Ready, Error> {
        let limit = plan.memory_limit.to_string();
        let args = ["--backpressure", side.policy(), "--memory-limit", &limit, "--drain", "1s"];
        let mut server = ChildServer::start(program, &args)?;
        let frame = usize::try_from(plan.frame).expect("a plan's frame is a few kilobytes");
        let config = Config {
            sizes: frame..=frame,
            rate: Rate::Limited(plan.rate),
            // Once the clients read again nothing is left to be seen by going slowly.
            rate_until: Some(plan.read + plan.stop),
            reading: Reading::Pause { from: plan.read, until: plan.read + plan.stop },
            bytes: Some(plan.total),
            stall_timeout: CLIENT_TIMEOUT,
            ..Config::new(server.addr())
        };
        let flood = server.or_ended(Flood::connect(config).await)?;
        Ok(Ready { plan: *plan, server, flood })
    }

    /// Lets the client begin.
    ///
    /// # Errors
    /// When its server has ended.
    pub(super) fn go(mut self) -> Result<Running, Error> {
        let memory = self.server.or_ended(ProcessTree::new([self.server.pid()]))?;
        let connections = self.flood.connections().iter().map(watched).collect();
        let sampler = Sampler::new(connections, Some(memory));
        let run = tokio::spawn(self.flood.run());
        Ok(Running { plan: self.plan, server: self.server, sampler, run, samples: Vec::new() })
    }
}

/// A client at work on a server.
pub(super) struct Running {
    plan: Plan,
    server: ChildServer,
    sampler: Sampler,
    run: JoinHandle<Outcome>,
    samples: Vec<Sample>,
}

impl Running {
    /// Whether the client has nothing more to do.
    ///
    /// # Errors
    /// When its server has ended.
    pub(super) fn is_done(&mut self) -> Result<bool, Error> {
        // First the client: a server that ends behind it has taken nothing from it.
        let done = self.run.is_finished();
        self.server.check()?;
        Ok(done)
    }

    /// Looks at everything once.
    pub(super) fn sample(&mut self) -> Sample {
        let sample = self.sampler.sample().sample;
        self.samples.push(sample);
        sample
    }

    /// Sums up, and ends the server.
    pub(super) async fn finish(self) -> Result<SideOutcome, Error> {
        let outcome = self.run.await.map_err(|error| Error::Part(error.to_string()))?;
        let memory = |sample: &Sample| sample.server_memory;
        let first = self.samples.iter().find_map(memory);
        let most = self.samples.iter().filter_map(memory).max();
        let (verdict, reason) = judge(&self.plan, &self.samples);
        let stall = self.plan.read.as_secs_f64()..=self.plan.resumes_at();
        let summary = Summary {
            server_pid: Some(self.server.pid()),
            // Of the time without reading: while bytes move fast, counters read at different instants differ by megabytes.
            inside_server: peak_during(&self.samples, stall, |sample| Queues::of(sample).inside_server),
            server_memory_growth: most.zip(first).map(|(most, first)| most - first),
            verdict: Some(verdict),
            reason: Some(reason),
            ..summary(&outcome, self.server.addr().to_string())
        };
        Ok(SideOutcome { summary, samples: self.samples })
    }
}

/// Longer than the clients do not read, so that the server that is held back is not given up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(15);
