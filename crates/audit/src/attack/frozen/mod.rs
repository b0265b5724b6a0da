//! An attack with a client of any kind: it is frozen (SIGSTOP) in the middle of its work, and later thawed.
//!
//! ```text
//! start the client ── bytes flow ── freeze ── nothing is read ── the same client again ── thaw, drain ── stop ── verdict
//! ```
//!
//! What it sends and receives is not visible here, only how much: its connections are found by the sockets that its processes have
//! open, and looked up in the kernel from both ends. So every protocol is covered, and no payload is searched for in the server's
//! memory or compared with what was sent. The steering and the rule are those of one request.

mod client;
mod connections;
mod failure;
mod flow;
mod newcomer;
mod scene;
mod unix_ends;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use echoctl_record::{Evidence, Point, Sample, StallKind};
use echoctl_trial::spawn::ClientLaunch;

use super::driver::AttackDriver;
use super::monitor::Monitor;
use super::{AuditConfig, AuditOutcome};
use crate::Error;
use client::Launcher;
pub use failure::ClientFailure;
pub use flow::FreezeAfter;
use flow::await_flow;
use newcomer::Newcomers;
use scene::{FrozenScene, State};

/// A client to attack with.
#[derive(Debug, Clone)]
pub struct FrozenClient {
    /// How it is started.
    pub launch: ClientLaunch,
    /// When it is frozen.
    pub freeze_after: FreezeAfter,
}

impl AuditConfig {
    /// Attacks the server with a client that is frozen in place of the script. `watched` receives each sample when it is taken.
    ///
    /// The bounds of [`AuditConfig::attack`] hold from the freeze on. Before it the client has 20 s to connect, and as long for its
    /// first bytes.
    ///
    /// # Errors
    /// When the attack could not begin: [`Error::Client`] says what the client did instead. When `stop` was set.
    pub fn attack_with(
        &self,
        frozen: &FrozenClient,
        stop: &AtomicBool,
        watched: &mut dyn FnMut(&Sample),
    ) -> Result<AuditOutcome, Error> {
        let began = Instant::now();
        let listeners = self.listening();
        let mut roots = self.pids.clone();
        roots.extend(listeners.iter().filter(|pid| !self.pids.contains(pid)));
        let mut monitor = Monitor::new(
            &roots,
            &listeners,
            self.permitted.target(),
            self.addr.tcp().map_or(0, |addr| addr.port()),
            &self.script,
        );
        let launcher = Launcher { launch: &frozen.launch, addr: &self.addr, pids: &roots };
        let mut client = launcher.start()?;
        let flow = await_flow(&mut client, frozen.freeze_after, &mut monitor, stop, watched)?;
        client.freeze()?;
        monitor.begin_growth();
        let newcomers = Newcomers::after(&flow);
        let conditions =
            self.conditions_of_freeze(flow.points, client.connections.count(), monitor.elapsed(), &roots);
        let mut scene = FrozenScene {
            newcomers,
            client: Some(client),
            launcher,
            monitor,
            printed: self.printed.clone(),
            stop,
            state: State::Frozen { looked: Instant::now() },
            went_on: false,
        };
        let run = AttackDriver::new(&mut scene, conditions, self.settings(), stop, watched).run();
        let (judgement, evidence, samples) = run?;
        Ok(AuditOutcome {
            stalls: Vec::new(),
            judgement,
            evidence,
            samples,
            seconds: began.elapsed().as_secs_f64(),
            sees_memory: scene.monitor.sees_memory(),
            is_census_refused: false,
            server: scene.monitor.server_name(),
            pids: roots.clone(),
            upstreams: scene.monitor.upstreams(),
            protocol: None,
            tls: None,
        })
    }

    /// The conditions at the time `t` of the freeze, after these samples.
    fn conditions_of_freeze(&self, points: Vec<Point>, connections: usize, t: f64, pids: &[u32]) -> Evidence {
        let conditions = self.conditions(&self.script, pids);
        Evidence {
            stall: Some(StallKind::Client),
            repeats: false,
            echo: false,
            unit: 0,
            points,
            reads_until: t,
            min_duration: self.min_duration.map_or(0.0, |least| t + least.as_secs_f64()),
            max_duration: t + conditions.max_duration,
            kernel_buffering: self.kernel_buffering().of_connections(connections.max(1)),
            ..conditions
        }
    }
}
