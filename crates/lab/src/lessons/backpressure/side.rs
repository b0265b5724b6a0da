//! One side of the comparison: a server in a process of its own, and its client.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use echoctl_client::{Config, Flood, Rate, Reading};
use echoctl_observe::ProcessTree;
use echoctl_record::{Bytes, Sample, Seconds, peak_during};
use echoctl_trial::{ChildServer, Trial, TrialOutcome};
use tokio::runtime::Handle;

use super::{RATE, READ, STOP, TOTAL};
use crate::kit::loopback::TIMEOUT;
use crate::kit::{LessonError, join, spawn};

/// A server and its client, sampled on a thread of its own.
pub(super) struct Side(JoinHandle<Result<Measurements, LessonError>>);

/// What was measured of a side.
pub(super) struct Measurements {
    /// Seconds since the start, and growth of the server's memory in bytes.
    pub(super) memory: Vec<(f64, f64)>,
    /// Maximum growth.
    pub(super) growth: Bytes,
    /// Bytes sent and not read back: maximum until the client reads again, and number at the end.
    pub(super) pending: Bytes,
    pub(super) pending_at_end: Bytes,
    /// Bytes that came back identical.
    pub(super) verified: Bytes,
    /// The longest time in which the client could not send.
    pub(super) held_back: Seconds,
}

impl Side {
    /// Starts a server with `args`, and a client with this way of reading, for at most `duration`.
    pub(super) async fn start(
        program: &Path,
        args: &[&str],
        reading: Reading,
        duration: Duration,
    ) -> Result<Side, LessonError> {
        let mut server = ChildServer::start(program, args)?;
        let config = Config {
            rate: Rate::Limited(RATE),
            rate_until: Some(READ + STOP),
            reading,
            bytes: Some(TOTAL),
            stall_timeout: TIMEOUT,
            ..Config::new(server.addr())
        };
        let flood = server.or_ended(Flood::connect(config).await)?;
        let memory = server.or_ended(ProcessTree::new([server.pid()]))?;
        let trial = Trial::start(flood, Some(memory), &Handle::current());
        let measure = move || {
            let outcome = trial.run(|moment| match moment.observation.sample.t < duration.as_secs_f64() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })?;
            server.check()?;
            Ok(Measurements::of(&outcome))
        };
        Ok(Side(spawn(measure)?))
    }

    /// Waits for its end.
    pub(super) fn finish(self) -> Result<Measurements, LessonError> {
        join(self.0)?
    }
}

impl Measurements {
    fn of(outcome: &TrialOutcome) -> Measurements {
        let (peaks, totals) = (outcome.peaks(), &outcome.client.totals);
        let samples: Vec<Sample> = outcome.history.samples().copied().collect();
        let growth = |sample: &Sample| Some((sample.t, peaks.growth_at(sample)? as f64));
        // What is pending later, when the client catches up, is not what waited while it did not read.
        let until = 0.0..=(READ + STOP).as_secs_f64();
        Measurements {
            memory: samples.iter().filter_map(growth).collect(),
            growth: Bytes(peaks.growth().unwrap_or(0)),
            pending: Bytes(peak_during(&samples, until, |sample| Some(sample.in_flight())).unwrap_or(0)),
            pending_at_end: Bytes(totals.produced.saturating_sub(totals.consumed)),
            verified: Bytes(totals.verified),
            held_back: Seconds(totals.longest_stall.as_secs_f64()),
        }
    }
}
