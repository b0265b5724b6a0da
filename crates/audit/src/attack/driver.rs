//! The run: an attack under way, one thread over all connections, none of which blocks.
//!
//! It decides nothing itself: what may be sent and when it is enough is asked of the rule in `echoctl-record`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_record::{Disconnect, DisconnectKind, Drain, Evidence, Judgement, Point, Sample, decimate};

use super::AuditConfig;
use super::bystander::Bystander;
use super::connection::AuditConnection;
use super::drain::{DrainLimits, drain};
use super::monitor::Monitor;
use super::stimulus_stream::{StimulusStream, WRITE};
use super::token_bucket::TokenBucket;
use crate::Error;
use crate::sys::{self, Interest};

/// An attack under way.
pub(super) struct AttackDriver<'a> {
    pub(super) config: &'a AuditConfig,
    pub(super) stop: &'a AtomicBool,
    pub(super) watched: &'a mut dyn FnMut(&Sample),
    pub(super) evidence: Evidence,
    pub(super) streams: Vec<StimulusStream>,
    pub(super) slow_readers: Vec<AuditConnection>,
    pub(super) senders: Vec<AuditConnection>,
    pub(super) samples: Vec<Sample>,
    pub(super) bystander: Option<&'a Bystander>,
}

impl AttackDriver<'_> {
    /// Attacks, reads out and judges; once more if the rule says that this would tell more.
    pub(super) fn run(&mut self, monitor: &mut Monitor) -> Result<Judgement, Error> {
        monitor.look_for_upstreams();
        monitor.begin();
        self.take_sample(monitor, false);
        loop {
            self.send_until_enough(monitor)?;
            self.drain(monitor);
            if self.stop.load(Ordering::Relaxed) {
                // What was read by then is not all, and allows no verdict.
                return Err(Error::Interrupted);
            }
            let judgement = self.evidence.judge();
            let is_over =
                self.evidence.disconnect.is_some() || monitor.elapsed() >= self.evidence.max_duration;
            if !judgement.wants_second_pass || is_over {
                return Ok(judgement);
            }
        }
    }

    /// Sends and does not read, until that is enough.
    fn send_until_enough(&mut self, monitor: &mut Monitor) -> Result<(), Error> {
        let mut bucket = TokenBucket::new(self.config.rate, Instant::now());
        let (mut sampled, mut sampled_at_bytes) = (Instant::now(), 0);
        let mut allowance = self.evidence.allowance();
        let mut discarded = vec![0; WRITE];
        let interval = if self.slow_readers.len() > MANY { INTERVAL * 4 } else { INTERVAL };
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            for connection in &mut self.senders {
                connection.discard(&mut discarded);
            }
            let progress = self.send(&mut bucket, allowance);
            let produced = self.produced();
            let now = Instant::now();
            if now - sampled >= interval || produced - sampled_at_bytes >= POINT_BYTES {
                (sampled, sampled_at_bytes) = (now, produced);
                monitor.look_for_upstreams();
                self.take_sample(monitor, progress == Progress::Blocked);
                self.check_closed(monitor);
                if let Some(bystander) = self.bystander {
                    bystander.hold(self.evidence.is_stalled());
                }
                if self.evidence.is_enough() {
                    return Ok(());
                }
                let wanted = self.evidence.allowance();
                if wanted > allowance {
                    bucket.lift();
                }
                allowance = wanted;
            }
            if progress != Progress::Sent {
                let write = progress == Progress::Blocked;
                let own = if self.senders.is_empty() { &self.slow_readers } else { &self.senders };
                let read = !self.senders.is_empty();
                let waited: Vec<_> =
                    own.iter().map(|connection| (connection.socket(), Interest { read, write })).collect();
                let until_sample = interval.saturating_sub(sampled.elapsed());
                // Held back by the bucket: a moment. Blocked or done: until there is something to do.
                let longest =
                    if progress == Progress::RateLimited { Duration::from_millis(1) } else { until_sample };
                sys::wait(&waited, longest.min(until_sample));
            }
        }
    }

    /// Gives each sender its turn.
    fn send(&mut self, bucket: &mut TokenBucket, allowance: u64) -> Progress {
        let mut left = allowance.saturating_sub(self.produced());
        let mut progress = Progress::Done;
        let senders = if self.senders.is_empty() { &mut self.slow_readers } else { &mut self.senders };
        for (connection, stream) in senders.iter_mut().zip(&mut self.streams) {
            let next = stream.next();
            if next.is_empty() || left == 0 {
                continue;
            }
            let allowed = bucket.allowed(Instant::now()).min(left).min(WRITE as u64) as usize;
            // A write of a few bytes costs as much as one of many: it waits for its pace to save up some.
            if allowed < next.len().min(SMALLEST) && (allowed as u64) < left {
                progress = progress.max(Progress::RateLimited);
                continue;
            }
            let count = connection.write(&next[..next.len().min(allowed)]);
            stream.advance(count);
            bucket.spend(count as u64);
            left -= count as u64;
            progress = progress.max(if count > 0 { Progress::Sent } else { Progress::Blocked });
        }
        progress
    }

    fn produced(&self) -> u64 {
        let senders = if self.senders.is_empty() { &self.slow_readers } else { &self.senders };
        senders.iter().map(|connection| connection.produced).sum()
    }

    fn take_sample(&mut self, monitor: &mut Monitor, blocked: bool) -> Point {
        let point = monitor.point(&mut self.senders, &mut self.slow_readers, blocked);
        self.evidence.points.push(point);
        decimate(&mut self.evidence.points, MOST_POINTS);
        self.evidence.hidden_upstream = monitor.upstreams.hidden;
        self.evidence.is_relay = monitor.upstreams.hidden || !monitor.upstreams.is_empty();
        self.samples.push(point.sample);
        decimate(&mut self.samples, MOST_POINTS);
        (self.watched)(&point.sample);
        point
    }

    /// Whether the server has hung up, and whether that was its end.
    fn check_closed(&mut self, monitor: &Monitor) {
        let hung_up = self.slow_readers.iter().all(|connection| connection.ended.is_some());
        let publisher_lost =
            !self.senders.is_empty() && self.senders.iter().all(|connection| connection.ended.is_some());
        if !(hung_up || publisher_lost || monitor.has_crashed()) {
            return;
        }
        let t = monitor.elapsed();
        // A process that dies closes its sockets first: give it time to be gone.
        let deadline = Instant::now() + DYING;
        while !monitor.has_crashed() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let how = self.slow_readers.iter().chain(&self.senders).find_map(|connection| connection.ended);
        let kind = if monitor.has_crashed() {
            DisconnectKind::Crashed
        } else {
            how.unwrap_or(DisconnectKind::Closed)
        };
        self.evidence.disconnect = Some(Disconnect { t, kind });
    }

    /// Reads everything that is owed.
    fn drain(&mut self, monitor: &mut Monitor) {
        let Some(last) = self.evidence.points.last().copied() else { return };
        let is_echo = self.evidence.echo && self.senders.is_empty();
        let one = (self.slow_readers.len() == 1).then_some(&self.streams[0]).filter(|_| is_echo);
        let beyond = self.evidence.proves_queue_above();
        // Where the server's end is not visible, all that comes may have been in the kernels.
        let sees_ends = last.sample.server_written.is_some();
        let in_kernels = if sees_ends { self.evidence.in_kernels() } else { self.evidence.kernel_buffering };
        let limits = DrainLimits {
            owed: self.evidence.expected_echo().filter(|_| is_echo),
            enough: if is_echo { u64::MAX } else { in_kernels.saturating_add(2 * beyond) },
            timeout: if self.evidence.repeats { DRAIN_TIMEOUT } else { STREAM_TIMEOUT },
            quiet: if self.evidence.depends_on_drain() { LONG_QUIET } else { QUIET },
        };
        // Reading frees a server that is past its brake to take in even more: then it ends at once.
        let most = self.evidence.points.iter().filter_map(|point| point.sample.server_memory).max();
        let brake =
            most.map(|most| most.max(self.evidence.memory_cap(&last)).saturating_add(MORE_WHILE_READING));
        let (samples, watched) = (&mut self.samples, &mut *self.watched);
        let mut sampled = |slow_readers: &mut [AuditConnection], senders: &mut [AuditConnection]| {
            let point = monitor.point(senders, slow_readers, false);
            samples.push(point.sample);
            watched(&point.sample);
            point.sample.server_memory.zip(brake).is_none_or(|(memory, brake)| memory < brake)
        };
        let new = drain(
            &mut self.slow_readers,
            &mut self.senders,
            in_kernels,
            one,
            limits,
            self.stop,
            &mut sampled,
        );
        // A second reading adds to the first: what was owed then and is owed now is owed in all.
        let sum = match self.evidence.drain.take() {
            Some(old) => Drain {
                bytes: old.bytes + new.bytes,
                in_kernels: old.in_kernels + new.in_kernels,
                seconds: old.seconds + new.seconds,
                damaged_at: old.damaged_at.or(new.damaged_at),
                first_text: old.first_text.or(new.first_text),
                ..new
            },
            None => new,
        };
        self.evidence.drain = Some(sum);
    }
}

/// How a round of writing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// There is nothing (more) to send.
    Done,
    /// The kernel takes nothing.
    Blocked,
    /// The pace holds it back.
    RateLimited,
    /// Something was sent.
    Sent,
}

/// Between two points.
const INTERVAL: Duration = Duration::from_millis(50);

/// Points kept: ten minutes of them, and no more memory however long the attack. Where a verdict takes that long, half the
/// resolution is enough for it.
const MOST_POINTS: usize = 12_000;

/// With more connections than this, points are taken a quarter as often: each costs 10 µs a connection.
const MANY: usize = 100;

/// A point at least each so many bytes, or a fast attack would have five of them.
const POINT_BYTES: u64 = 8 << 20;

/// The smallest write while the pace allows more soon.
const SMALLEST: usize = 16 << 10;

/// Memory that a server may gain while it is read out. What the kernels still hold makes it do more work.
const MORE_WHILE_READING: u64 = 256 << 20;

/// Time between the last sign of a connection and the end of its process.
const DYING: Duration = Duration::from_millis(150);

/// The longest that reading out takes when it must end, …
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// … and when the answer may have no end.
const STREAM_TIMEOUT: Duration = Duration::from_millis(1500);

/// Silence after which nothing more is expected: longer than a server needs to notice that it may write again, …
const QUIET: Duration = Duration::from_millis(600);

/// … and where the verdict hangs on it, longer than most timers.
const LONG_QUIET: Duration = Duration::from_millis(1500);
