//! Samples the connections of a ping on a thread of its own, for a recording.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use echoctl_client::Ping;
use echoctl_observe::{Sampler, start_thread};
use echoctl_trial::watched;

use crate::output::recorder::Recorder;

/// A recorder of a ping in progress.
pub(super) struct Sampling {
    stop: Sender<()>,
    thread: JoinHandle<Recorder>,
}

impl Sampling {
    /// Starts to sample: the time of the run starts now.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn start(mut recorder: Recorder, ping: &Ping) -> anyhow::Result<Sampling> {
        let mut sampler = Sampler::new(ping.connections().iter().map(watched).collect(), None);
        recorder.set_start(Instant::now());
        let (stop, stopped) = mpsc::channel();
        let thread = start_thread("sampling", move || {
            let mut is_last = false;
            loop {
                let observation = sampler.sample();
                recorder.add(observation.sample);
                recorder.add_connections(|log| sampler.log(&observation, log));
                if is_last {
                    return recorder;
                }
                is_last = stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout);
            }
        })?;
        Ok(Sampling { stop, thread })
    }

    /// Takes the last sample.
    pub(super) fn finish(self) -> Recorder {
        // The thread ends only after this.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Interval between two samples, as in a flood.
const INTERVAL: Duration = Duration::from_millis(50);
