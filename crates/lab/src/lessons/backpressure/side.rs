//! One side of the comparison: a server in a process of its own, and its client.

use std::path::Path;
use std::time::{Duration, Instant};

use echoctl_client::{Config, Flood, Rate, Reading};
use echoctl_observe::{ProcessTree, SamplingInterval};
use echoctl_record::{Sample, peak_during};
use echoctl_trial::{ChildServer, Client, Trial, TrialOutcome};
use tokio::runtime::Handle;

use super::{RATE, READ, STOP, TOTAL};
use crate::kit::LessonError;
use crate::kit::loopback::TIMEOUT;

/// A server and its client.
pub(super) struct Side {
    server: ChildServer,
    trial: Trial,
}

/// What was measured of a side.
#[derive(Default)]
pub(super) struct Measurements {
    /// Seconds since the start, and growth of the server's memory in bytes.
    pub(super) memory: Vec<(f64, f64)>,
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
        let mut trial = Trial::start(flood, Some(memory), &Handle::current());
        // Memory grows from here.
        trial.sample();
        Ok(Side { server, trial })
    }

    /// Ends the run, also if the client has not finished.
    fn finish(mut self) -> Result<Measurements, LessonError> {
        if !self.trial.is_done()? {
            self.trial.client().abort();
        }
        self.server.check()?;
        Ok(Measurements::of(&self.trial.finish()?))
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
            growth: peaks.growth().unwrap_or(0),
            pending: peak_during(&samples, until, |sample| Some(sample.in_flight())).unwrap_or(0),
            pending_at_end: totals.produced.saturating_sub(totals.consumed),
            verified: totals.verified,
            held_back: totals.longest_stall.as_secs_f64(),
        }
    }
}

/// Samples the sides until their clients have finished, or for `duration`.
pub(super) async fn watch<const N: usize>(
    mut sides: [Side; N],
    duration: Option<Duration>,
) -> Result<[Measurements; N], LessonError> {
    let started = Instant::now();
    loop {
        tokio::time::sleep(SamplingInterval::default().time).await;
        let mut are_done = true;
        for side in &mut sides {
            side.trial.sample();
            are_done &= side.trial.is_done()?;
        }
        let is_over = match duration {
            Some(duration) => started.elapsed() > duration,
            None => are_done || started.elapsed() > MAX_DURATION,
        };
        if is_over {
            break;
        }
    }
    let mut measured = [(); N].map(|()| Measurements::default());
    for (measured, side) in measured.iter_mut().zip(sides) {
        *measured = side.finish()?;
    }
    Ok(measured)
}

/// Time limit for the first part, which takes 4 s: a machine that needs longer is too loaded for the experiment.
const MAX_DURATION: Duration = Duration::from_secs(11);
