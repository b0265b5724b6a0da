//! The attack on a server: a client that sends and does not read.
//!
//! ```text
//! prepare ── calm ── connect, setup ── stimulus, without reading ── questions, census ── drain ── close ── questions ── verdict
//!             └ what bystanders get      └ 20 samples per second, until the rule says
//!               without an attack          that they suffice or the time is over ┘
//! ```
//!
//! If the slow reader was disconnected, a control client that reads gets the same before the verdict.
//!
//! One thread drives all connections, and none of them blocks. When to stop is decided by a pure function over the samples
//! ([`audit::is_enough`]), not here.

mod background;
mod baseline;
mod behind;
mod bystander;
mod clients;
mod connection;
mod connector;
mod control;
mod drain;
mod driver;
mod elsewhere;
mod exchange;
mod first_bytes;
mod frozen;
mod integrity;
mod monitor;
mod payload_census;
mod process_growth;
mod scene;
mod stalls;
mod stimulus_stream;
mod token_bucket;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use echoctl_observe::{KernelBuffering, MemoryShare, SamplingInterval, ServerAddr, listener_at};
use echoctl_record::{Class, Evidence, Sample};
use echoctl_trial::spawn::{Listeners, OutputWatch};
use echoctl_verdict::{Judgement, audit};

pub use connector::Permitted;
pub use frozen::{ClientFailure, FreezeAfter, FrozenClient};
pub use stalls::StallOutcome;

use crate::cell::Mark;
use crate::marks::Marks;
use crate::protocol::Protocol;
use crate::script::{Script, SendMode, Transport};
use crate::{Error, Http2Error, TlsError, TlsPeer, Trust};
use background::Background;
use bystander::{Calm, Subscriber};
use clients::Clients;
use connection::{AuditConnection, Destination, Http2Requests, Role, TlsConnector};
use connector::Connector;
use driver::{AttackDriver, Settings};
use integrity::EchoAssumption;
use monitor::Monitor;
use payload_census::PayloadCensus;
use scene::{ControlPlan, LiveScene};

/// What to attack, and how.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// The address of the server.
    pub addr: ServerAddr,
    /// What is sent to it.
    pub script: Script,
    /// Over TLS, which of its certificates are accepted.
    pub trust: Trust,
    /// The name by which it is asked for over TLS, and that its certificate is to have.
    pub server_name: String,
    /// Number of slow readers, each with its own connection.
    pub connections: u32,
    /// Input in bytes that suffices to call a server unbounded if it accepted and buffered all of it.
    pub budget: u64,
    /// Bytes per second over all connections.
    pub rate: u64,
    /// The least time that the attack takes, unless harm is proved or the connection closes earlier. `None`: until the evidence
    /// suffices.
    pub min_duration: Option<Duration>,
    /// The longest time that the attack takes; twice as long if there is no least time, and the server's memory still grows by what it
    /// reads, perhaps up to a limit.
    pub max_duration: Duration,
    /// SO_RCVBUF of each slow reader, in bytes; the kernel doubles it. A small window is full after little output. `None`: sized by
    /// the kernel.
    pub receive_buffer: Option<usize>,
    /// The server's processes. If empty, they are the processes that listen at the address.
    pub pids: Vec<u32>,
    /// Whose listening sockets may be attacked. Checked for each connection before anything is sent over it.
    pub permitted: Permitted,
    /// Whether the server was started just now. Servers behind it may still be starting, and a relay closes connections until
    /// they listen.
    pub is_fresh: bool,
    /// What the server's command prints, if it was started with one.
    pub printed: Option<OutputWatch>,
}

impl AuditConfig {
    /// An attack with the default settings.
    pub fn new(addr: impl Into<ServerAddr>, script: Script) -> AuditConfig {
        AuditConfig {
            addr: addr.into(),
            script,
            trust: Trust::default(),
            server_name: "localhost".to_owned(),
            connections: 1,
            budget: DEFAULT_BUDGET,
            rate: DEFAULT_RATE,
            min_duration: None,
            max_duration: DEFAULT_MAX_DURATION,
            receive_buffer: None,
            pids: Vec::new(),
            permitted: Permitted::default(),
            is_fresh: false,
            printed: None,
        }
    }

    /// Attacks the server. `watched` receives each sample when it is taken.
    ///
    /// A server that answers is attacked about 0.6 s after the start, and judged as soon as the evidence suffices. Whatever the
    /// server does, this returns at most 100 s after four times [`AuditConfig::max_duration`], plus 60 ms per connection. Only a server
    /// that does not answer takes this long: up to 25 s for the calm and the steps before the attack, 22 s for the questions in the
    /// stall and as much after it (20 times as long as an answer may take in the calm), 11 s for the census and the drain, and 16 s
    /// in addition to the attack for the client that reads.
    ///
    /// Over HTTP/2, a client has two ways not to read. Unless the script says one, both are tried one after the other, until one of
    /// them proves harm, and the worse verdict counts.
    ///
    /// # Errors
    /// When the attack could not begin: no connection, no answer to a step of the script, or `stop` was set.
    pub fn attack(&self, stop: &AtomicBool, watched: &mut dyn FnMut(&Sample)) -> Result<AuditOutcome, Error> {
        let began = Instant::now();
        let mut worst: Option<AuditOutcome> = None;
        for script in stalls::tried(&self.script.clone().lowered()) {
            let was_running = match &worst {
                Some(before) => !self.is_fresh || before.memory_grew_by_much(),
                None => !self.is_fresh,
            };
            let outcome = self.attack_when_warm(&script, was_running, stop, watched)?;
            worst = Some(match worst {
                Some(before) => stalls::worse(before, outcome),
                None => outcome,
            });
            if worst.as_ref().is_some_and(|worst| worst.judgement.verdict.class() == Class::Unsafe) {
                break;
            }
        }
        let outcome = worst.expect("invariant: at least one script is tried");
        Ok(AuditOutcome { seconds: began.elapsed().as_secs_f64(), ..outcome })
    }

    /// Attacks again while a server that was just started may not be ready.
    fn attack_when_warm(
        &self,
        script: &Script,
        was_running: bool,
        stop: &AtomicBool,
        watched: &mut dyn FnMut(&Sample),
    ) -> Result<AuditOutcome, Error> {
        let began = Instant::now();
        loop {
            let outcome = self.attack_once(script, was_running, began, stop, watched);
            let was_refused = match &outcome {
                Ok(outcome) => audit::was_refused(&outcome.evidence) || outcome.is_gateway_error(),
                Err(
                    Error::Step { .. }
                    | Error::Connect { .. }
                    | Error::Tls(TlsError::Closed)
                    | Error::Http2(Http2Error::Closed),
                ) => true,
                Err(_) => false,
            };
            if !(self.is_fresh && was_refused) || began.elapsed() >= WARMING_UP {
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn attack_once(
        &self,
        script: &Script,
        was_running: bool,
        began: Instant,
        stop: &AtomicBool,
        watched: &mut dyn FnMut(&Sample),
    ) -> Result<AuditOutcome, Error> {
        let listeners = self.listening();
        let mut roots = self.pids.clone();
        roots.extend(listeners.iter().filter(|pid| !self.pids.contains(pid)));
        // The script as it is, so that each run has marks of its own.
        let mut script = script.marked(Mark::random());
        let each = PREPARING_EACH * self.connections;
        let mut connector =
            Connector::new(self.destination(&script)?, self.permitted, Instant::now() + PREPARING, stop);
        clients::prepare(&script, &mut connector)?;
        let warm_at = if self.is_fresh { began + WARMING_UP } else { began };
        let background = Background::of(&roots);
        let calm = Calm::observe(&script, &mut connector, warm_at)?;
        match calm.echo {
            EchoAssumption::Proven => script.echo = true,
            EchoAssumption::Refuted => script.echo = false,
            EchoAssumption::Unknown => {}
        }
        connector.renew(Instant::now() + PREPARING + each);
        let monitor = Monitor::new(
            &roots,
            &listeners,
            self.permitted.target(),
            self.addr.tcp().map_or(0, |addr| addr.port()),
            &script,
        );
        let connect = |connector: &mut _| {
            Clients::connect(&script, self.connections, Role::SlowReader, self.receive_buffer, connector)
        };
        let mut clients = connect(&mut connector)?;
        let subscriber = Subscriber::join(&script, calm.bystanders.as_ref(), &mut clients, &mut connector)?;
        if script.publisher.is_some() && subscriber.is_none() && clients.has_closed() {
            // To the server, the subscriber was the same client as one of them.
            connector.renew(Instant::now() + PREPARING + each);
            clients = connect(&mut connector)?;
        }
        clients.assume_echo(calm.echo);
        let marks = Marks::of_script(&script).or_else(|| Marks::of_reply(&calm.reply));
        let control =
            ControlPlan { script: &script, rate: self.rate, warm_at, timeout: PREPARING + each, stop };
        let mut scene = LiveScene {
            clients,
            monitor,
            connector,
            bystanders: calm.bystanders,
            subscriber,
            census: marks.map(PayloadCensus::new),
            background,
            printed: self.printed.clone(),
            control,
            sent: None,
            closing: None,
            violation: None,
            protocol: Protocol::of(&calm.reply),
        };
        let conditions = Evidence { was_running, ..self.conditions(&script, &roots) };
        let tls = scene.clients.slow_readers().first().and_then(AuditConnection::tls);
        let run = AttackDriver::new(&mut scene, conditions, self.settings(), stop, watched).run();
        let (judgement, evidence, samples) = run?;
        let stalls = evidence.stall.map(|stall| StallOutcome::new(stall, &judgement)).into_iter().collect();
        Ok(AuditOutcome {
            stalls,
            judgement,
            evidence,
            samples,
            seconds: began.elapsed().as_secs_f64(),
            sees_memory: scene.monitor.sees_memory(),
            is_census_refused: scene.census.is_some_and(|census| census.is_refused),
            server: scene.monitor.server_name(),
            pids: roots,
            upstreams: scene.monitor.upstreams(),
            protocol: scene.clients.first().protocol().or(scene.protocol),
            tls,
        })
    }

    /// Where to connect to, and through which layers.
    fn destination(&self, script: &Script) -> Result<Destination, Error> {
        let tls = match (script.transport, self.addr.tcp()) {
            (Some(Transport::Tls), Some(_)) => {
                Some(TlsConnector::new(&self.trust, &self.server_name, &script.alpn)?)
            }
            (Some(Transport::Tcp), Some(_)) | (Some(Transport::Unix), None) | (None, _) => None,
            (Some(transport), _) => return Err(Error::OtherTransport { transport, addr: self.addr.clone() }),
        };
        let http2 = Http2Requests::of(script, tls.is_some()).map(Arc::new);
        Ok(Destination { addr: self.addr.clone(), tls, http2 })
    }

    /// The processes that listen at the address, if they are visible and may be attacked.
    fn listening(&self) -> Vec<u32> {
        if let Some(target) = self.permitted.target() {
            // If another process listens there too, the connector refuses and names it.
            let owners = Listeners::open().and_then(|mut all| all.owners(&self.addr, target));
            return owners.unwrap_or_default();
        }
        listener_at(&self.addr).iter().flat_map(|listener| listener.pids()).collect()
    }

    fn settings(&self) -> Settings {
        let mut interval = SamplingInterval::default();
        if self.connections > MANY {
            // A sample costs 10 µs per connection.
            interval.time *= 4;
        }
        Settings { rate: self.rate, interval }
    }

    /// The queues of one of its connections.
    fn kernel_buffering(&self) -> KernelBuffering {
        if let ServerAddr::Unix(_) = self.addr {
            return KernelBuffering::unix();
        }
        let kernels = KernelBuffering::here();
        let client_receive =
            self.receive_buffer.map_or(kernels.client_receive, |bytes| (bytes as u64).saturating_mul(2));
        KernelBuffering { client_receive, ..kernels }
    }

    /// The conditions of the attack, before anything is measured.
    fn conditions(&self, script: &Script, pids: &[u32]) -> Evidence {
        let flood = script.http2.as_ref().and_then(|http2| http2.flood);
        Evidence {
            repeats: matches!(script.stimulus.send, SendMode::Repeat(_)) || flood.is_some(),
            stall: stalls::kind(script),
            is_flood: flood.is_some(),
            echo: script.echo,
            unit: script.stimulus.unit(),
            budget: self.budget,
            min_duration: self.min_duration.map_or(0.0, |least| least.as_secs_f64()),
            max_duration: self.max_duration.as_secs_f64(),
            has_publisher: script.publisher.is_some(),
            kernel_buffering: self.kernel_buffering().of_connections(self.connections as usize),
            memory_limit: MemoryShare::with(pids).limit,
            ..Evidence::default()
        }
    }
}

/// The result of an attack.
#[derive(Debug, Clone)]
pub struct AuditOutcome {
    /// The verdict, with its reason.
    pub judgement: Judgement<audit::Cause>,
    /// The evidence for it.
    pub evidence: Evidence,
    /// All samples, those of the drain included.
    pub samples: Vec<Sample>,
    /// Duration of the audit in seconds.
    pub seconds: f64,
    /// Whether the server's memory was visible.
    pub sees_memory: bool,
    /// Whether its memory may not be searched for what was sent to it.
    pub is_census_refused: bool,
    /// The name of the server's program, where visible.
    pub server: Option<String>,
    /// Its processes.
    pub pids: Vec<u32>,
    /// Servers behind it whose memory was watched too.
    pub upstreams: Vec<String>,
    /// The protocol of what it answered first, if it is recognised.
    pub protocol: Option<Protocol>,
    /// What was agreed on with it in the handshake of TLS.
    pub tls: Option<TlsPeer>,
    /// The ways not to read that were tried over HTTP/2, in order, and what each showed; the outcome is that of the worst.
    pub stalls: Vec<StallOutcome>,
}

impl AuditOutcome {
    /// Whether the server answered that it cannot reach the server behind it.
    fn is_gateway_error(&self) -> bool {
        let status = self.evidence.responses.and_then(|responses| responses.status);
        matches!(status, Some(502..=504))
    }

    /// Whether the server may have freed memory that hides what it buffers in another attack.
    fn memory_grew_by_much(&self) -> bool {
        let memory = || self.samples.iter().filter_map(|sample| sample.server_memory);
        let growth = memory().max().zip(memory().next()).map_or(0, |(most, first)| most - first);
        growth > REUSABLE
    }
}

/// Default of [`AuditConfig::budget`]: many times the kernel buffering, and harmless on any machine.
pub const DEFAULT_BUDGET: u64 = 256 << 20;

/// Default of [`AuditConfig::rate`]: the budget in two seconds, which a healthy server can echo.
pub const DEFAULT_RATE: u64 = 128 << 20;

/// Default of [`AuditConfig::max_duration`]: four times as long as a stall is watched.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_secs(15);

/// Growth of memory in one attack that may hide what is buffered in the next: a quarter of what a steady rise of a stalled server
/// comes to in the time for which it is watched.
const REUSABLE: u64 = 4 << 20;

/// With more connections than this, a quarter as many samples are taken.
const MANY: u32 = 100;

/// Time limit for all connections and all steps before the attack. They take milliseconds unless the server never answers.
const PREPARING: Duration = Duration::from_secs(5);

/// Additional time for each connection.
const PREPARING_EACH: Duration = Duration::from_millis(20);

/// Time in which a server that was just started may close connections without having read anything.
const WARMING_UP: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
