//! The attack: a client that sends and does not read, and what the server does then.
//!
//! ```text
//! prepare ── connect, setup ── bystander begins ── stimulus, nobody reads ── everything is read ── verdict
//!                                                   └ a point of evidence 20 times a second; ends when the rule
//!                                                     says that it is enough, or time is up ┘
//! ```
//!
//! One thread drives all connections, none of which blocks. It decides nothing itself: it asks the rule
//! ([`Evidence::is_enough`]), which is a pure function over what was recorded.

mod bystander;
mod connection;
mod connector;
mod drain;
mod driver;
mod monitor;
mod stimulus_stream;
mod token_bucket;
mod upstream;

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use echoctl_observe::{KernelBuffering, MemoryShare, listener_at};
use echoctl_record::{Evidence, Judgement, Sample};

pub use bystander::BystanderStats;
pub use connector::Permitted;

use crate::Error;
use crate::listeners::Listeners;
use crate::script::{Script, SendMode};
use bystander::Bystander;
use connector::Connector;
use driver::AttackDriver;
use monitor::Monitor;
use stimulus_stream::StimulusStream;

/// What to attack, and how.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Where the server listens.
    pub addr: SocketAddr,
    /// What is done to it.
    pub script: Script,
    /// Slow readers, each with a connection of its own.
    pub connections: u32,
    /// Input that is enough to call a server unbounded that took it all, in bytes.
    pub budget: u64,
    /// Bytes a second, of all connections together.
    pub rate: u64,
    /// The longest that the attack takes.
    pub max_duration: Duration,
    /// The server's processes; empty: found by who listens.
    pub pids: Vec<u32>,
    /// Whose listening sockets may be attacked. Looked at whenever a connection is made, before anything is sent over it.
    pub permitted: Permitted,
    /// Whether the server was started just now, so that what it needs may still be starting: a relay hangs up as long as
    /// there is nothing behind it.
    pub is_fresh: bool,
}

impl AuditConfig {
    /// The plan of `echoctl audit` without options.
    pub fn new(addr: SocketAddr, script: Script) -> AuditConfig {
        AuditConfig {
            addr,
            script,
            connections: 1,
            budget: DEFAULT_BUDGET,
            rate: DEFAULT_RATE,
            max_duration: DEFAULT_MAX_DURATION,
            pids: Vec::new(),
            permitted: Permitted::default(),
            is_fresh: false,
        }
    }

    /// Attacks. `watched` is given each sample as it is taken.
    ///
    /// Whatever the server does, this ends at most 10 s after [`AuditConfig::max_duration`] (and 20 ms later for each connection): 5 s
    /// for the steps before the attack, 4 s for reading what is owed after it, and what it takes to stop.
    ///
    /// # Errors
    /// When no attack could be made: no connection, a step of the script without its answer, or `stop` was set.
    pub fn attack(&self, stop: &AtomicBool, watched: &mut dyn FnMut(&Sample)) -> Result<AuditOutcome, Error> {
        let began = Instant::now();
        // All attempts share it: a server that never answers is not given its time again.
        let deadline = began + PREPARING + PREPARING_EACH * self.connections;
        let outcome = loop {
            let outcome = self.attack_once(deadline, stop, watched);
            let was_refused = match &outcome {
                Ok(outcome) => outcome.evidence.was_refused(),
                Err(Error::Step { .. } | Error::Connect { .. }) => true,
                Err(_) => false,
            };
            if !(self.is_fresh && was_refused) || began.elapsed() >= WARMING_UP {
                break outcome?;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        Ok(AuditOutcome { seconds: began.elapsed().as_secs_f64(), ..outcome })
    }

    fn attack_once(
        &self,
        deadline: Instant,
        stop: &AtomicBool,
        watched: &mut dyn FnMut(&Sample),
    ) -> Result<AuditOutcome, Error> {
        let listeners = self.listening();
        let mut roots = self.pids.clone();
        roots.extend(listeners.iter().filter(|pid| !self.pids.contains(pid)));
        let target = match self.permitted {
            Permitted::Target(target) => Some(target),
            Permitted::User(_) | Permitted::Any => None,
        };
        let mut monitor = Monitor::new(&roots, &listeners, target, self.addr.port());
        let mut connector = Connector::new(self.addr, self.permitted, deadline, stop);
        if !self.script.prepare.is_empty() {
            let mut connection = connector.connect()?;
            connector.converse(&mut connection, "prepare", &self.script.prepare)?;
        }
        let mut slow_readers = Vec::new();
        for _ in 0..self.connections {
            let mut connection = connector.connect()?;
            connector.converse(&mut connection, "setup", &self.script.setup)?;
            slow_readers.push(connection);
        }
        let mut senders = Vec::new();
        if let Some(publisher) = &self.script.publisher {
            let mut connection = connector.connect()?;
            connector.converse(&mut connection, "publisher's setup", &publisher.setup)?;
            senders.push(connection);
        }
        // After the slow_readers: a server that serves one connection at a time must serve the slow reader.
        let bystander = Bystander::start(&self.script, &mut connector)?;
        let mut run = AttackDriver {
            config: self,
            stop,
            watched,
            evidence: self.empty_evidence(&roots),
            streams: Vec::new(),
            slow_readers,
            senders,
            samples: Vec::new(),
            bystander: bystander.as_ref(),
        };
        // One block in memory for all of them.
        run.streams = vec![
            StimulusStream::new(&self.script.stimulus.send);
            run.senders.len().max(run.slow_readers.len())
        ];
        let ended = run.run(&mut monitor);
        let AttackDriver { evidence, mut samples, .. } = run;
        // What such a server has read and not written is not what is inside it.
        if !evidence.echo {
            samples.iter_mut().for_each(|sample| sample.is_echo = Some(false));
        }
        let stats = bystander.and_then(Bystander::finish);
        let judgement = ended?;
        Ok(AuditOutcome {
            judgement,
            evidence,
            samples,
            bystander: stats,
            seconds: monitor.elapsed(),
            sees_memory: monitor.sees_memory(),
            server: monitor.server_name(),
            pids: roots,
            upstreams: monitor.upstreams.names(),
        })
    }

    /// The processes that listen at the address, as far as they are visible and may be attacked.
    fn listening(&self) -> Vec<u32> {
        if let Permitted::Target(target) = self.permitted {
            // If somebody else listens there the connector refuses, and says who.
            let holders = Listeners::open().and_then(|mut all| all.holders(self.addr, target));
            return holders.unwrap_or_default();
        }
        listener_at(self.addr).iter().flat_map(|listener| listener.pids()).collect()
    }

    fn empty_evidence(&self, pids: &[u32]) -> Evidence {
        Evidence {
            repeats: matches!(self.script.stimulus.send, SendMode::Repeat(_)),
            echo: self.script.echo,
            unit: self.script.stimulus.unit(),
            budget: self.budget,
            max_duration: self.max_duration.as_secs_f64(),
            kernel_buffering: KernelBuffering::here().total(),
            memory_limit: MemoryShare::with(pids).limit,
            is_relay: false,
            hidden_upstream: false,
            points: Vec::new(),
            disconnect: None,
            drain: None,
        }
    }
}

/// What an attack showed.
#[derive(Debug, Clone)]
pub struct AuditOutcome {
    /// The verdict, with its reason.
    pub judgement: Judgement,
    /// What it rests on.
    pub evidence: Evidence,
    /// All samples, those of the reading out too.
    pub samples: Vec<Sample>,
    /// How a healthy client fared, where the script allows one.
    pub bystander: Option<BystanderStats>,
    /// The whole audit, in seconds.
    pub seconds: f64,
    /// Whether the server's memory was visible.
    pub sees_memory: bool,
    /// The server's program, where visible.
    pub server: Option<String>,
    /// Its processes.
    pub pids: Vec<u32>,
    /// Servers behind it that were watched too.
    pub upstreams: Vec<String>,
}

/// `--bytes`: many times what kernels hold, and no harm to any machine.
pub const DEFAULT_BUDGET: u64 = 256 << 20;

/// `--rate`: the budget in two seconds. Slower than any server can echo, so that what piles up is not for want of speed.
pub const DEFAULT_RATE: u64 = 128 << 20;

/// `--for`: four times as long as a stall is watched.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_secs(15);

/// Time for all connections to be made and all steps before the attack to be answered: these take milliseconds, or a server
/// that answers never, …
const PREPARING: Duration = Duration::from_secs(5);

/// … and for each of many connections a little more.
const PREPARING_EACH: Duration = Duration::from_millis(20);

/// Time in which a server that was just started may hang up without having taken anything.
const WARMING_UP: Duration = Duration::from_secs(3);
