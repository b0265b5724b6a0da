//! The sampling thread: a sample at a steady pace, and more while bytes move fast.

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
    /// Bytes produced after which one is taken in between: at 1 GiB/s twenty samples a second would be 50 MiB apart.
    /// Connections that are not this process's own produce nothing in this sense.
    pub bytes: u64,
}

impl Default for SamplingInterval {
    /// Twenty a second, and one each 8 MiB.
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
    /// Starts sampling: the first sample at once, a last one of all connections when it is stopped. `each` is called for
    /// every sample in the thread; the sampler is there to be asked for single connections.
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
                    // One that comes late is not made up for: the next is due a whole period after it.
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

    /// Watches one more connection from now on.
    pub fn watch(&self, watched: WatchedConnection) {
        // It fails only when the callback has panicked and the thread with it: `stop` will tell.
        let _ = self.control.as_ref().map(|control| control.send(watched));
    }

    /// Takes the last sample, ends the thread and gives the sampler back.
    ///
    /// # Panics
    /// When the callback has panicked, with its panic.
    pub fn stop(mut self) -> Sampler {
        self.end().expect("it is taken here or on drop, once")
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

/// When the next sample is due. A pace of centuries, which the clock cannot add, is taken for one of a year.
fn next(due: Instant, now: Instant, interval: Duration) -> Instant {
    let interval = interval.min(MAX_INTERVAL);
    if due + interval > now { due + interval } else { now + interval }
}

/// Longer than any run is watched.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);

/// How often the thread looks whether enough bytes have moved: at 1 GiB/s 4 MiB move in it. A look costs less than 1 µs.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);
