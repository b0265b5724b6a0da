//! One side of the comparison: a server in a process of its own, and its client.

use std::path::Path;
use std::time::{Duration, Instant};

use echoctl_client::{Config, Flood, Outcome, Rate, Reading, StopHandle};
use echoctl_observe::ProcessTree;
use echoctl_trial::ChildServer;
use tokio::task::JoinHandle;

use super::{RATE, READ, STOP, TOTAL};
use crate::kit::LessonError;
use crate::kit::loopback::TIMEOUT;

/// A server and its client.
pub(super) struct Side {
    server: ChildServer,
    memory: ProcessTree,
    client: StopHandle,
    run: JoinHandle<Outcome>,
    measured: Measurements,
}

/// What was measured of a side.
#[derive(Default)]
pub(super) struct Measurements {
    /// Seconds since the start, and growth of the server's memory in bytes.
    pub(super) memory: Vec<(f64, f64)>,
    /// Memory at the start, in bytes.
    pub(super) first: Option<u64>,
    /// Maximum growth, in bytes.
    pub(super) growth: u64,
    /// Bytes sent and not read back: maximum until the client reads again, and number at the end.
    pub(super) pending: u64,
    pub(super) pending_at_end: u64,
    /// Bytes that came back identical.
    pub(super) verified: u64,
    /// The longest time in which the client could not send, in seconds.
    pub(super) held_back: f64,
}

impl Side {
    /// Starts a server with `args`, and a client with this way of reading.
    pub(super) async fn start(program: &Path, args: &[&str], reading: Reading) -> Result<Side, LessonError> {
        let mut server = ChildServer::start(program, args)?;
        let mut memory = server.or_ended(ProcessTree::new([server.pid()]))?;
        let first = memory.read().memory.total();
        let config = Config {
            rate: Rate::Limited(RATE),
            rate_until: Some(READ + STOP),
            reading,
            bytes: Some(TOTAL),
            stall_timeout: TIMEOUT,
            ..Config::new(server.addr())
        };
        let flood = server.or_ended(Flood::connect(config).await)?;
        let client = flood.stop_handle();
        let run = tokio::spawn(flood.run());
        Ok(Side {
            server,
            memory,
            client,
            run,
            measured: Measurements { first: Some(first), ..Measurements::default() },
        })
    }

    fn sample(&mut self, t: f64) {
        let (memory, totals) = (self.memory.read().memory.total(), self.client.totals());
        let growth = memory.saturating_sub(self.measured.first.unwrap_or(memory));
        self.measured.memory.push((t, growth as f64));
        self.measured.growth = self.measured.growth.max(growth);
        // What is pending later, when the client catches up, is not what waited while it did not read.
        if t < (READ + STOP).as_secs_f64() {
            self.measured.pending =
                self.measured.pending.max(totals.produced.saturating_sub(totals.consumed));
        }
        self.measured.held_back = self.measured.held_back.max(totals.longest_stall.as_secs_f64());
    }

    async fn finish(mut self, abort: bool) -> Result<Measurements, LessonError> {
        if abort {
            self.client.abort();
        }
        self.server.check()?;
        let outcome = self.run.await.map_err(|error| LessonError::Part(error.to_string()))?;
        self.measured.verified = outcome.totals.verified;
        self.measured.pending_at_end = outcome.totals.produced.saturating_sub(outcome.totals.consumed);
        drop(self.server);
        Ok(self.measured)
    }
}

/// Samples the sides until their clients have finished, or for `duration`.
pub(super) async fn watch<const N: usize>(
    mut sides: [Side; N],
    duration: Option<Duration>,
) -> Result<[Measurements; N], LessonError> {
    let started = Instant::now();
    let is_over = |sides: &[Side; N]| match duration {
        Some(duration) => started.elapsed() > duration,
        None => sides.iter().all(|side| side.run.is_finished()) || started.elapsed() > MAX_DURATION,
    };
    while !is_over(&sides) {
        tokio::time::sleep(TICK).await;
        let t = started.elapsed().as_secs_f64();
        sides.iter_mut().for_each(|side| side.sample(t));
    }
    let mut measured = [(); N].map(|()| Measurements::default());
    for (measured, side) in measured.iter_mut().zip(sides) {
        let unfinished = !side.run.is_finished();
        *measured = side.finish(unfinished).await?;
    }
    Ok(measured)
}

/// Time limit for the first part, which takes 4 s: a machine that needs longer is too loaded for the experiment.
const MAX_DURATION: Duration = Duration::from_secs(11);

/// Time between two samples.
const TICK: Duration = Duration::from_millis(50);
