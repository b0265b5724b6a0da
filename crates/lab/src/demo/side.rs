//! One side of the demo: a server in a process of its own, a client in this one, and samples of both.

use std::path::Path;
use std::time::Duration;

use echoctl_client::{Config, Flood, Rate, Reading};
use echoctl_observe::ProcessTree;
use echoctl_record::{Queue, Queues, Sample, Summary, peak_during};
use echoctl_trial::{ChildServer, Trial};
use echoctl_verdict::demo;
use tokio::runtime::Handle;

use super::{Phase, Plan, SideOutcome};
use crate::Error;

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Without backpressure: the bug.
    Off,
    /// With backpressure.
    On,
}

impl Side {
    /// The backpressure policy of its server.
    pub const fn policy(self) -> &'static str {
        match self {
            Side::Off => "off",
            Side::On => "on",
        }
    }
}

/// A listening server and a connected client that has not sent anything yet.
pub(super) struct Ready {
    plan: Plan,
    server: ChildServer,
    flood: Flood,
}

impl Ready {
    /// Starts the server, connects the client.
    pub(super) async fn new(side: Side, plan: &Plan, program: &Path) -> Result<Ready, Error> {
        let limit = plan.memory_limit.to_string();
        let mut args = vec!["--backpressure", side.policy(), "--memory-limit", &limit, "--drain", "1s"];
        let receive_buffer = plan.receive_buffer.map(|bytes| bytes.to_string());
        args.extend(receive_buffer.iter().flat_map(|bytes| ["--rcvbuf", bytes]));
        let mut server = ChildServer::start(program, &args)?;
        let frame = usize::try_from(plan.frame).expect("a plan's frame is a few kilobytes");
        let config = Config {
            sizes: frame..=frame,
            rate: Rate::Limited(plan.rate),
            // When the clients read again, there is no reason to limit the rate any more.
            rate_until: Some(plan.read + plan.stop),
            reading: Reading::Pause { from: plan.read, until: plan.read + plan.stop },
            bytes: Some(plan.total),
            stall_timeout: CLIENT_TIMEOUT,
            rcvbuf: plan.receive_buffer,
            ..Config::new(server.addr())
        };
        let flood = server.or_ended(Flood::connect(config).await)?;
        Ok(Ready { plan: *plan, server, flood })
    }

    /// Starts the client.
    ///
    /// # Errors
    /// When its server has exited.
    pub(super) fn go(mut self) -> Result<Running, Error> {
        let memory = self.server.or_ended(ProcessTree::new([self.server.pid()]))?;
        let trial = Trial::start(self.flood, Some(memory), &Handle::current());
        Ok(Running { plan: self.plan, server: self.server, trial })
    }
}

/// A server and a client that is sending.
pub(super) struct Running {
    plan: Plan,
    server: ChildServer,
    trial: Trial,
}

impl Running {
    /// Whether the client has finished.
    ///
    /// # Errors
    /// When its server has exited.
    pub(super) fn is_done(&mut self) -> Result<bool, Error> {
        // The client first: a server that exits after the client has finished did not disturb it.
        let done = self.trial.is_done()?;
        self.server.check()?;
        Ok(done)
    }

    /// Takes a sample.
    pub(super) fn sample(&mut self) -> Sample {
        self.trial.sample()
    }

    /// Summarises the run and stops the server.
    pub(super) fn finish(self) -> Result<SideOutcome, Error> {
        let outcome = self.trial.finish()?;
        let samples: Vec<Sample> = outcome.history.samples().copied().collect();
        let stall = self.plan.began(Phase::Stopped)..self.plan.resumes_at();
        let judgement = demo::judge(stall, &samples);
        let summary = Summary {
            server_pid: Some(self.server.pid()),
            verdict: Some(judgement.verdict),
            reason: Some(judgement.reason),
            ..outcome.summary(self.server.addr().to_string())
        };
        let mut side = SideOutcome { summary, samples };
        side.summary.inside_server =
            peak_during(&side.samples, side.stall(&self.plan), |sample| Queues::of(sample)[Queue::Inside]);
        Ok(side)
    }
}

/// Longer than the time in which the clients do not read, so that a client that is held back does not time out.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(15);
