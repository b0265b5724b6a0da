//! The loop of an attack: send without reading, ask for bystanders, drain, judge.
//!
//! It makes no decisions: what may be sent, and when the samples suffice, is decided by the rule in `echoctl-verdict`. It knows
//! the server only through a [`Scene`], so a test replays a recording in its place.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_observe::{SamplingInterval, SamplingSchedule};
use echoctl_record::{Disconnect, DisconnectKind, Evidence, Point, Responses, Sample, StopReason};
use echoctl_trial::decimate;
use echoctl_verdict::{Judgement, audit};

use super::drain::{self, DrainLimits, Draining};
use super::token_bucket::TokenBucket;
use crate::Error;

/// A server under attack: what is sent to it, read from it, and seen of it.
pub(super) trait Scene {
    /// The time.
    fn now(&self) -> Instant;
    /// Starts the clock of the samples.
    fn begin(&mut self);
    /// Writes once to each sender, at most `left` bytes in total, and discards the replies to a publisher.
    fn send(&mut self, bucket: &mut TokenBucket, left: u64) -> Progress;
    /// Bytes that were sent.
    fn produced(&self) -> u64;
    /// Reads once from each slow reader into `drain`.
    fn read(&mut self, drain: &mut Draining) -> Read;
    /// Waits until it is worth to go on, at most for `timeout`.
    fn wait(&mut self, until: Until, timeout: Duration);
    /// What is visible now. `blocked`: there was more to send, and the kernel accepted none of it.
    fn observe(&mut self, blocked: bool) -> Observed;
    /// How the attack ended, if the server closed all its connections or crashed, and when.
    fn ended(&mut self) -> Option<Disconnect>;
    /// Lets the bystanders go on; the active one asks unless it is paused.
    fn attend(&mut self) -> Result<(), Error>;
    /// Pauses or resumes the active bystander.
    fn pause_bystander(&mut self, pause: bool);
    /// Lets all bystanders ask that take part at this moment.
    fn ask(&mut self, moment: Moment);
    /// Waits for a moment for their replies. Returns whether all have come or their time is over.
    fn are_answered(&mut self) -> Result<bool, Error>;
    /// Adds to the evidence what is visible of the server at the end of the stall, before it is drained.
    fn inspect(&mut self, evidence: &mut Evidence);
    /// Prepares a drain.
    fn begin_drain(&mut self, drain: &mut Draining);
    /// Adds to the evidence what a drain has shown beside its bytes.
    fn end_drain(&mut self, drain: &Draining, evidence: &mut Evidence);
    /// Closes the connections of the slow readers and of the publisher.
    fn leave(&mut self);
    /// Watches what the server does by itself. Returns whether that was long enough.
    fn watch_background(&mut self) -> bool;
    /// Adds to the evidence what is known only at the end.
    fn finish(&mut self, evidence: &mut Evidence) -> Result<(), Error>;
}

/// When bystanders are asked to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// At the end of the stall, while nothing is read.
    During,
    /// When the slow readers have gone.
    After,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// More can be sent after this result.
    CanSend(Progress),
    /// A slow reader can be read.
    CanRead,
    /// The timeout is over.
    Timeout,
}

/// The result of a round of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    /// Nothing (more) to send.
    Done,
    /// The kernel accepts nothing.
    Blocked,
    /// The rate allows nothing now.
    RateLimited,
    /// Something was sent.
    Sent,
}

/// The result of a round of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Something came.
    Some,
    /// Nothing came.
    Nothing,
    /// Nothing came, and all connections are closed.
    End,
}

/// What is visible of a server at one time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Observed {
    pub(super) point: Point,
    /// As in [`Evidence`].
    pub(super) is_relay: bool,
    pub(super) hidden_upstream: bool,
    pub(super) responses: Option<Responses>,
}

/// A running attack.
pub(super) struct AttackDriver<'a, S> {
    scene: &'a mut S,
    /// The evidence so far, on which the rule decides when to stop.
    evidence: Evidence,
    /// All samples, those of the drain included.
    samples: Vec<Sample>,
    /// Whether the slow reader has drained since the last point.
    has_drained: bool,
    settings: Settings,
    stop: &'a AtomicBool,
    watched: &'a mut dyn FnMut(&Sample),
}

/// How to attack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Bytes per second.
    pub(super) rate: u64,
    /// When samples are taken.
    pub(super) interval: SamplingInterval,
}

impl<'a, S: Scene> AttackDriver<'a, S> {
    /// An attack under the conditions of `evidence`. If it has points, they are from before the slow reader stopped reading, and the
    /// clock of the samples runs already.
    pub(super) fn new(
        scene: &'a mut S,
        evidence: Evidence,
        settings: Settings,
        stop: &'a AtomicBool,
        watched: &'a mut dyn FnMut(&Sample),
    ) -> AttackDriver<'a, S> {
        let samples = evidence.points.iter().map(|point| point.sample).collect();
        AttackDriver { scene, evidence, samples, has_drained: false, settings, stop, watched }
    }

    /// Attacks, drains and judges; a second time if the rule asks for it.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what was seen until then allows no verdict. [`Error::ListenerChanged`]: a bystander may not connect.
    pub(super) fn run(mut self) -> Result<(Judgement<audit::Cause>, Evidence, Vec<Sample>), Error> {
        self.scene.begin();
        self.observe(false);
        loop {
            self.send_until_enough()?;
            if self.evidence.disconnect.is_none() {
                self.ask(Moment::During)?;
            }
            self.scene.inspect(&mut self.evidence);
            self.drain()?;
            let is_over = self.evidence.disconnect.is_some()
                || self.samples.last().is_some_and(|last| last.t >= self.evidence.max_duration);
            if is_over || !audit::wants_second_pass(&self.evidence) {
                break;
            }
        }
        self.scene.leave();
        if !self.has_crashed() {
            self.ask(Moment::After)?;
        }
        while audit::depends_on_background(&self.evidence) && !self.scene.watch_background() {
            self.check_stop()?;
            self.scene.wait(Until::Timeout, LOOK);
        }
        self.scene.finish(&mut self.evidence)?;
        Ok((audit::judge(&self.evidence), self.evidence, self.samples))
    }

    /// Sends without reading until the samples suffice.
    fn send_until_enough(&mut self) -> Result<(), Error> {
        let mut bucket = TokenBucket::new(self.settings.rate, self.scene.now());
        let mut schedule = SamplingSchedule::new(self.settings.interval);
        // The first sample was taken before.
        schedule.due(self.scene.now(), self.scene.produced());
        let mut allowance = audit::allowance(&self.evidence);
        loop {
            self.check_stop()?;
            self.scene.attend()?;
            let left = allowance.saturating_sub(self.scene.produced());
            let progress = self.scene.send(&mut bucket, left);
            if schedule.due(self.scene.now(), self.scene.produced()).is_some() {
                self.observe(progress == Progress::Blocked);
                self.evidence.disconnect = self.scene.ended();
                self.scene.pause_bystander(audit::is_stalled(&self.evidence));
                if audit::is_enough(&self.evidence) {
                    return Ok(());
                }
                let wanted = audit::allowance(&self.evidence);
                if wanted > allowance {
                    bucket.lift();
                }
                allowance = wanted;
            }
            let timeout = schedule.wait(self.scene.now());
            match progress {
                Progress::Sent => {}
                Progress::RateLimited => {
                    self.scene.wait(Until::CanSend(progress), timeout.min(Duration::from_millis(1)));
                }
                Progress::Blocked | Progress::Done => self.scene.wait(Until::CanSend(progress), timeout),
            }
        }
    }

    /// Lets the bystanders ask at this moment, and waits for their replies. A server may crash because the slow readers go, and still
    /// have answered the question before: after it, the server is watched for a moment in any case.
    fn ask(&mut self, moment: Moment) -> Result<(), Error> {
        self.scene.ask(moment);
        let began = self.scene.now();
        let mut looked = began;
        loop {
            let is_answered = self.scene.are_answered()?;
            let is_watched = moment == Moment::During
                || self.evidence.disconnect.is_some()
                || self.scene.now() - began >= EXITING;
            if is_answered && is_watched {
                return Ok(());
            }
            self.check_stop()?;
            if is_answered {
                self.scene.wait(Until::Timeout, LOOK);
            }
            if self.scene.now() - looked < LOOK || self.evidence.disconnect.is_some() {
                continue;
            }
            looked = self.scene.now();
            self.evidence.disconnect = self.scene.ended();
            match moment {
                Moment::During if self.evidence.disconnect.is_some() => self.observe(false),
                Moment::During => _ = self.show_sample(),
                // The connections of which a sample consists are gone.
                Moment::After => {}
            }
            if self.has_crashed() {
                return Ok(());
            }
        }
    }

    fn has_crashed(&self) -> bool {
        self.evidence.disconnect.is_some_and(|end| end.kind == DisconnectKind::Crashed)
    }

    /// Reads everything that is pending.
    fn drain(&mut self) -> Result<(), Error> {
        let Some(last) = self.evidence.points.last().copied() else { return Ok(()) };
        // If the server's end is not visible, all of it may have been in the kernels.
        let sees_ends = last.sample.server_written.is_some();
        let in_kernels =
            if sees_ends { audit::in_kernels(&self.evidence) } else { self.evidence.kernel_buffering };
        let memory_cap = self.memory_cap_of_drain(&last);
        let mut drain = Draining::new(self.drain_limits(in_kernels), self.scene.now());
        self.scene.begin_drain(&mut drain);
        let mut strokes = 0;
        let stopped = loop {
            self.scene.attend()?;
            let read = self.scene.read(&mut drain);
            if read == Read::Some && strokes < STROKES && (self.evidence.echo || drain.is_echo()) {
                strokes += 1;
                self.scene.wait(Until::Timeout, BETWEEN_STROKES);
            }
            let now = self.scene.now();
            if drain.is_sample_due(now) {
                let sample = self.show_sample();
                if sample.server_memory.zip(memory_cap).is_some_and(|(memory, cap)| memory >= cap) {
                    break StopReason::Enough;
                }
            }
            if let Some(stopped) = drain.stop_reason(now, read == Read::End) {
                break stopped;
            }
            self.check_stop()?;
            if read == Read::Nothing {
                self.scene.wait(Until::CanRead, Duration::from_millis(10));
            }
        };
        let observed = self.scene.observe(false);
        self.evidence.responses = observed.responses.or(self.evidence.responses);
        let last = observed.point.sample;
        self.add_sample(&last);
        self.evidence.echo |= drain.is_echo();
        self.scene.end_drain(&drain, &mut self.evidence);
        let drain = drain.finish(stopped, in_kernels, &last, self.scene.now());
        self.evidence.drain = Some(drain::sum(self.evidence.drain.take(), drain));
        self.has_drained = true;
        // What the server's protocol said may have waited behind what was not read.
        let is_error =
            |end: &Disconnect| matches!(end.kind, DisconnectKind::GoAway | DisconnectKind::StreamsReset);
        if stopped == StopReason::Closed && self.evidence.disconnect.is_none() {
            self.evidence.disconnect = self.scene.ended().filter(is_error);
        }
        Ok(())
    }

    fn drain_limits(&self, in_kernels: u64) -> DrainLimits {
        let Evidence { repeats, .. } = self.evidence;
        DrainLimits {
            enough: in_kernels.saturating_add(audit::enough_drained(&self.evidence)),
            timeout: if repeats { DRAIN_TIMEOUT } else { STREAM_TIMEOUT },
            quiet: if audit::depends_on_drain(&self.evidence) { LONG_QUIET } else { QUIET },
        }
    }

    /// Memory of the server at which the drain stops: what the kernels still hold gives it more work.
    fn memory_cap_of_drain(&self, last: &Point) -> Option<u64> {
        let peak = self.evidence.points.iter().filter_map(|point| point.sample.server_memory).max()?;
        Some(peak.max(audit::memory_cap(&self.evidence, last)).saturating_add(MORE_WHILE_READING))
    }

    /// Adds what is visible now to the evidence.
    fn observe(&mut self, blocked: bool) {
        let observed = self.scene.observe(blocked);
        let after_drain = mem::take(&mut self.has_drained);
        self.evidence.points.push(Point { after_drain, ..observed.point });
        decimate(&mut self.evidence.points, MOST_POINTS);
        self.evidence.responses = observed.responses.or(self.evidence.responses);
        self.evidence.is_relay |= observed.is_relay;
        self.evidence.hidden_upstream |= observed.hidden_upstream;
        self.add_sample(&observed.point.sample);
    }

    /// Shows what is visible now, without adding it to the evidence of the stall.
    fn show_sample(&mut self) -> Sample {
        let sample = self.scene.observe(false).point.sample;
        self.add_sample(&sample);
        sample
    }

    fn add_sample(&mut self, sample: &Sample) {
        self.samples.push(*sample);
        decimate(&mut self.samples, MOST_POINTS);
        (self.watched)(sample);
    }

    fn check_stop(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Maximum number of stored samples: ten minutes of them, then every other one is dropped, so that memory stays bounded. Half
/// the resolution is enough for a verdict that takes this long.
const MOST_POINTS: usize = 12_000;

/// Growth of the server's memory that is tolerated during the drain.
const MORE_WHILE_READING: u64 = 256 << 20;

/// Time for which the exit of the server counts as a consequence of the slow readers' leaving: more than a thread waits for a busy
/// processor.
const EXITING: Duration = Duration::from_millis(200);

/// Time between two looks at the server while bystanders wait.
const LOOK: Duration = Duration::from_millis(50);

/// Reads of an echo that are followed by a pause. Each pause lets the queues fill again, so that the server meets a full queue, a
/// short write and two full directions more often than with a client that reads everything in a few milliseconds.
const STROKES: u32 = 40;

/// The pause: long enough for both kernels to fill a window.
const BETWEEN_STROKES: Duration = Duration::from_millis(5);

/// Time limit of the drain for a stimulus that is repeated.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// Time limit of the drain if the reply may be endless.
const STREAM_TIMEOUT: Duration = Duration::from_millis(1500);

/// Time without a byte after which nothing more is expected: longer than a server needs to notice that it can write again.
const QUIET: Duration = Duration::from_millis(600);

/// The same where the verdict depends on it: longer than most timers.
const LONG_QUIET: Duration = Duration::from_millis(1500);
