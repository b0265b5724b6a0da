//! Drives a running attack: one thread over all connections, none of which blocks.
//!
//! It makes no decisions: what may be sent, and when the samples suffice, is decided by the rule in `echoctl-verdict`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_record::{Disconnect, DisconnectKind, Drain, Evidence, Point, Sample, decimate};
use echoctl_verdict::{Judgement, audit};

use super::AuditConfig;
use super::bystander::Bystander;
use super::connection::AuditConnection;
use super::drain::{DrainLimits, drain};
use super::monitor::Monitor;
use super::stimulus_stream::{StimulusStream, WRITE};
use super::token_bucket::TokenBucket;
use crate::Error;
use crate::sys::{self, Interest};

/// A running attack.
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
    /// Attacks, drains and judges; a second time if the rule asks for it.
    pub(super) fn run(&mut self, monitor: &mut Monitor) -> Result<Judgement, Error> {
        monitor.look_for_upstreams();
        monitor.begin();
        self.take_sample(monitor, false);
        loop {
            self.send_until_enough(monitor)?;
            self.drain(monitor);
            if self.stop.load(Ordering::Relaxed) {
                // What was read until then is incomplete and allows no verdict.
                return Err(Error::Interrupted);
            }
            let judgement = audit::judge(&self.evidence);
            let is_over =
                self.evidence.disconnect.is_some() || monitor.elapsed() >= self.evidence.max_duration;
            if !judgement.wants_second_pass || is_over {
                return Ok(judgement);
            }
        }
    }

    /// Sends without reading until the samples suffice.
    fn send_until_enough(&mut self, monitor: &mut Monitor) -> Result<(), Error> {
        let mut bucket = TokenBucket::new(self.config.rate, Instant::now());
        let (mut sampled, mut sampled_at_bytes) = (Instant::now(), 0);
        let mut allowance = audit::allowance(&self.evidence);
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
                    bystander.pause(audit::is_stalled(&self.evidence));
                }
                if audit::is_enough(&self.evidence) {
                    return Ok(());
                }
                let wanted = audit::allowance(&self.evidence);
                if wanted > allowance {
                    bucket.lift();
                }
                allowance = wanted;
            }
            if progress != Progress::Sent {
                let write = progress == Progress::Blocked;
                let senders = if self.senders.is_empty() { &self.slow_readers } else { &self.senders };
                let read = !self.senders.is_empty();
                let waited: Vec<_> = senders
                    .iter()
                    .map(|connection| (connection.socket(), Interest { read, write }))
                    .collect();
                let until_sample = interval.saturating_sub(sampled.elapsed());
                // Limited by the rate: wait briefly. Blocked or done: wait until the next event.
                let longest =
                    if progress == Progress::RateLimited { Duration::from_millis(1) } else { until_sample };
                sys::wait(&waited, longest.min(until_sample));
            }
        }
    }

    /// Writes once to each sender.
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
            // A small write costs as much as a large one, so it waits until the bucket has filled.
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

    /// Records how the connections were closed, if all of them were, and whether the server crashed.
    fn check_closed(&mut self, monitor: &Monitor) {
        let all_closed = self.slow_readers.iter().all(|connection| connection.closed.is_some());
        let publisher_closed =
            !self.senders.is_empty() && self.senders.iter().all(|connection| connection.closed.is_some());
        if !(all_closed || publisher_closed || monitor.has_crashed()) {
            return;
        }
        let t = monitor.elapsed();
        // A process that dies closes its sockets first: wait until it is gone.
        let deadline = Instant::now() + DYING;
        while !monitor.has_crashed() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let how = self.slow_readers.iter().chain(&self.senders).find_map(|connection| connection.closed);
        let kind = if monitor.has_crashed() {
            DisconnectKind::Crashed
        } else {
            how.unwrap_or(DisconnectKind::Closed)
        };
        self.evidence.disconnect = Some(Disconnect { t, kind });
    }

    /// Reads everything that is pending.
    fn drain(&mut self, monitor: &mut Monitor) {
        let Some(last) = self.evidence.points.last().copied() else { return };
        let is_echo = self.evidence.echo && self.senders.is_empty();
        let echo_stream = (self.slow_readers.len() == 1).then_some(&self.streams[0]).filter(|_| is_echo);
        let proof = audit::proves_queue_above(&self.evidence);
        // If the server's end is not visible, all of it may have been in the kernels.
        let sees_ends = last.sample.server_written.is_some();
        let in_kernels =
            if sees_ends { audit::in_kernels(&self.evidence) } else { self.evidence.kernel_buffering };
        let limits = DrainLimits {
            pending: audit::expected_echo(&self.evidence).filter(|_| is_echo),
            enough: if is_echo { u64::MAX } else { in_kernels.saturating_add(2 * proof) },
            timeout: if self.evidence.repeats { DRAIN_TIMEOUT } else { STREAM_TIMEOUT },
            quiet: if audit::depends_on_drain(&self.evidence) { LONG_QUIET } else { QUIET },
        };
        // Draining lets a server that is over its memory cap read even more: then the drain stops.
        let peak = self.evidence.points.iter().filter_map(|point| point.sample.server_memory).max();
        let memory_cap = peak.map(|peak| {
            peak.max(audit::memory_cap(&self.evidence, &last)).saturating_add(MORE_WHILE_READING)
        });
        let (samples, watched) = (&mut self.samples, &mut *self.watched);
        let mut sampled = |slow_readers: &mut [AuditConnection], senders: &mut [AuditConnection]| {
            let point = monitor.point(senders, slow_readers, false);
            samples.push(point.sample);
            watched(&point.sample);
            point.sample.server_memory.zip(memory_cap).is_none_or(|(memory, memory_cap)| memory < memory_cap)
        };
        let new = drain(
            &mut self.slow_readers,
            &mut self.senders,
            in_kernels,
            echo_stream,
            limits,
            self.stop,
            &mut sampled,
        );
        // A second drain adds to the first: what was pending then and what is pending now.
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

/// The result of a round of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Nothing (more) to send.
    Done,
    /// The kernel accepts nothing.
    Blocked,
    /// The rate allows nothing now.
    RateLimited,
    /// Something was sent.
    Sent,
}

/// Time between two samples.
const INTERVAL: Duration = Duration::from_millis(50);

/// Maximum number of stored samples: ten minutes of them, then every other one is dropped, so that memory stays bounded. Half
/// the resolution is enough for a verdict that takes this long.
const MOST_POINTS: usize = 12_000;

/// With more connections than this, a quarter as many samples are taken: each costs 10 µs per connection.
const MANY: usize = 100;

/// Bytes after which a sample is taken in any case: a fast attack would have only five of them otherwise.
const POINT_BYTES: u64 = 8 << 20;

/// The smallest write while the rate allows more soon.
const SMALLEST: usize = 16 << 10;

/// Growth of the server's memory that is tolerated during the drain: what the kernels still hold gives it more work.
const MORE_WHILE_READING: u64 = 256 << 20;

/// Time between the last packet of a connection and the exit of its process.
const DYING: Duration = Duration::from_millis(150);

/// Time limit of the drain for a stimulus that is repeated.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// Time limit of the drain if the reply may be endless.
const STREAM_TIMEOUT: Duration = Duration::from_millis(1500);

/// Time without a byte after which nothing more is expected: longer than a server needs to notice that it can write again.
const QUIET: Duration = Duration::from_millis(600);

/// The same where the verdict depends on it: longer than most timers.
const LONG_QUIET: Duration = Duration::from_millis(1500);
