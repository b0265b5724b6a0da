//! Runs a sampler on a thread: samples at a constant interval, and additional ones while bytes move fast.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Observation, Sampler, WatchedConnection};
use crate::{Error, start_thread};

/// When samples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplingInterval {
    /// Time between two regular samples.
    pub time: Duration,
    /// Bytes produced after which an additional sample is taken: at 1 GiB/s, twenty samples per second would be 50
    /// MiB apart. Only connections of this process count.
    pub bytes: u64,
}

impl Default for SamplingInterval {
    /// Twenty per second, and one per 8 MiB.
    fn default() -> SamplingInterval {
        SamplingInterval { time: Duration::from_millis(50), bytes: 8 << 20 }
    }
}

/// A thread that takes samples until it is stopped or dropped.
#[derive(Debug)]
pub struct SamplerThread {
    control: Option<Sender<WatchedConnection>>,
    thread: Option<JoinHandle<Sampler>>,
}

impl SamplerThread {
    /// Starts sampling: the first sample immediately, and a last one of all connections when it is stopped. The
    /// thread calls `each` with every sample; the sampler gives access to single connections.
    ///
    /// # Errors
    /// [`Error::NoThread`].
    pub fn start(
        mut sampler: Sampler,
        interval: SamplingInterval,
        mut each: impl FnMut(&Observation, &Sampler) + Send + 'static,
    ) -> Result<SamplerThread, Error> {
        let (control, incoming) = mpsc::channel::<WatchedConnection>();
        let thread = start_thread("sampler", move || {
            let mut due = Instant::now();
            let mut produced = 0;
            loop {
                let now = Instant::now();
                let is_regular = now >= due;
                let moved = sampler.produced();
                if is_regular || moved.saturating_sub(produced) >= interval.bytes {
                    let mut observation = sampler.sample();
                    observation.is_regular = is_regular;
                    produced = moved;
                    each(&observation, &sampler);
                }
                if is_regular {
                    // A late sample is not caught up: the next one is due a full interval later.
                    due = next(due, now, interval.time);
                }
                match incoming.recv_timeout(CHECK_INTERVAL.min(due.saturating_duration_since(Instant::now())))
                {
                    Ok(watched) => sampler.watch(watched),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            let last = sampler.sample_all();
            each(&last, &sampler);
            sampler
        })?;
        Ok(SamplerThread { control: Some(control), thread: Some(thread) })
    }

    /// Adds a connection.
    pub fn watch(&self, watched: WatchedConnection) {
        // Fails only if the callback has panicked and with it the thread, which `stop` reports.
        let _ = self.control.as_ref().map(|control| control.send(watched));
    }

    /// Takes the last sample, stops the thread and returns the sampler.
    ///
    /// # Panics
    /// If the callback has panicked, with its panic.
    pub fn stop(mut self) -> Sampler {
        self.end().expect("invariant: it is taken here or on drop, once")
    }

    fn end(&mut self) -> Option<Sampler> {
        self.control = None;
        match self.thread.take()?.join() {
            Ok(sampler) => Some(sampler),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for SamplerThread {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.end();
        }
    }
}

/// When the next sample is due. An interval of centuries, which would overflow the clock, counts as one year.
fn next(due: Instant, now: Instant, interval: Duration) -> Instant {
    let interval = interval.min(MAX_INTERVAL);
    if due + interval > now { due + interval } else { now + interval }
}

/// Longer than any run.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);

/// Interval between checks for additional samples: at 1 GiB/s, 4 MiB move meanwhile. A check costs less than 1 µs.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);
