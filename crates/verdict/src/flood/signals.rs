//! What a flood shows, beyond what an audit looks at: figures, and the conditions of its decision table.

use echoctl_record::{Drain, Evidence, Point, StopReason};

use super::Observed;
use super::stall::{PROBE_BYTES, Stall};
use crate::HELD_BACK_SECONDS;
use crate::audit::proves_queue_above;
use crate::pauses::output_waits_in;
use crate::unwritten::{HEAP_SLACK, exceeds_memory};

/// The figures of a flood. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    pub(super) stall: Stall,
    pub(super) observed: Observed,
    /// Whether the server closed a connection.
    pub(super) is_disconnected: bool,
    /// Whether a process of it was suspended.
    pub(super) is_suspended: bool,
    /// Whether the server went on once its output was read, or served another client; `None` if neither was tried.
    pub(super) goes_on: Option<bool>,
    /// Duration of the run.
    pub(super) duration: f64,
    /// Input that the server has read; where that is not visible, what its kernel has accepted.
    pub(super) read: u64,
    /// Whether the server's end of the connections is visible.
    pub(super) sees_server: bool,
    /// The most that it had read and not written back.
    pub(super) unwritten: u64,
    /// Sent and not read back at the end.
    pub(super) in_flight: u64,
    /// What it had still not written back when all of its output had been read; 0 if that is not known.
    pub(super) lost: u64,
    /// Whether more was read at the end than the kernels and a queue with a limit hold.
    pub(super) is_queue_drained: bool,
    /// All memory of the server, with what it had before.
    pub(super) memory: Option<u64>,
    /// The most that the kernel queues hold.
    pub(super) kernel_buffering: u64,
}

impl Signals {
    /// The figures; an audit found a stall of at least `stalled_for`.
    pub(super) fn of(evidence: &Evidence, observed: Observed, stalled_for: f64) -> Signals {
        let last = evidence.points.last().copied().unwrap_or_default();
        Signals {
            stall: Stall::of(&evidence.points, stalled_for),
            observed,
            is_disconnected: evidence.disconnect.is_some(),
            is_suspended: evidence.is_suspended,
            goes_on: goes_on(evidence, &last),
            duration: evidence.max_duration,
            read: last.server_read().max(observed.read),
            sees_server: last.sample.server_read.is_some(),
            unwritten: observed.unwritten.max(last.server_read().saturating_sub(last.server_written())),
            in_flight: last.sample.produced.saturating_sub(last.sample.consumed),
            lost: lost(evidence, &last),
            is_queue_drained: evidence
                .drain
                .as_ref()
                .is_some_and(|drain| drain.beyond_kernels() > proves_queue_above(evidence)),
            memory: evidence.points.iter().filter_map(|point| point.sample.server_memory).max(),
            kernel_buffering: evidence.kernel_buffering,
        }
    }

    pub(super) fn growth(&self) -> u64 {
        self.observed.growth.unwrap_or(0)
    }

    pub(super) fn sees_memory(&self) -> bool {
        self.observed.growth.is_some()
    }

    /// Whether the server stopped reading, or reads only as fast as its output is read.
    pub(super) fn is_backpressure(&self) -> bool {
        self.stall.is_stall() || self.stall.follows_reader()
    }

    /// Whether the producer was ever held back.
    pub(super) fn was_held_back(&self) -> bool {
        self.observed.longest_wait >= HELD_BACK_SECONDS
    }

    /// Whether it buffered enough input that a short pause proves nothing: garbage collectors pause, too.
    pub(super) fn has_buffered_much(&self) -> bool {
        self.read >= MUCH && self.observed.growth.is_some_and(|growth| growth >= self.read / 5 * 2)
    }

    /// Whether other clients sent enough to explain at least half of the growth that exceeds our input.
    pub(super) fn has_other_senders(&self) -> bool {
        let excess = self.growth().saturating_sub(self.read);
        excess > self.read / 4 + HEAP_SLACK && self.observed.others.received >= excess / 2
    }

    /// Whether the growth says nothing about this flood: other clients send, and our own bytes are not in the server.
    pub(super) fn is_growth_of_others(&self) -> bool {
        let is_ours = self.unwritten > self.kernel_buffering && self.unwritten >= self.read / 2;
        self.has_other_senders() && !is_ours
    }

    /// Whether the server has written back most of what its memory grew by: an echo's memory then grew by garbage.
    pub(super) fn has_little_inside(&self) -> bool {
        self.unwritten < self.growth() / 2
    }

    /// Whether replies are lost: the server did not write them when it could, and they are more than its memory, which did not grow by
    /// them.
    pub(super) fn has_lost_replies(&self) -> bool {
        exceeds_memory(self.lost, self.growth()) && self.memory.is_some_and(|memory| self.lost > memory)
    }

    /// Whether more is unwritten than the kernels hold, and its memory does not have it.
    pub(super) fn is_not_in_memory(&self) -> bool {
        self.unwritten > self.kernel_buffering && self.growth() < self.unwritten / 2
    }
}

/// Whether the server read or wrote more in the draining than at the end of the samples, or more came than it had written by then.
/// Without a drain, whether it served another client: where there is one, another thread may have done that.
fn goes_on(evidence: &Evidence, last: &Point) -> Option<bool> {
    let Some(drain) = &evidence.drain else {
        return evidence.bystanders?.newcomer?.during;
    };
    let more = |now: Option<u64>, before: Option<u64>| {
        now.zip(before).is_some_and(|(now, before)| now > before.saturating_add(PROBE_BYTES))
    };
    let sample = &last.sample;
    let waiting = sample.server_written.map(|written| written.saturating_sub(sample.consumed));
    Some(
        more(drain.server_read, sample.server_read)
            || more(drain.server_written, sample.server_written)
            || more(Some(drain.bytes), waiting),
    )
}

/// What the server read and did not write back, although it could: its output had waited, and was read until nothing more came.
fn lost(evidence: &Evidence, last: &Point) -> u64 {
    let is_read = |drain: &&Drain| matches!(drain.stopped, StopReason::Complete | StopReason::Quiet);
    let Some(drain) = evidence.drain.as_ref().filter(is_read).filter(|_| output_waits_in(&[*last])) else {
        return 0;
    };
    drain.server_read.zip(drain.server_written).map_or(0, |(read, written)| read.saturating_sub(written))
}

/// Input that exceeds most limits, if it is buffered.
const MUCH: u64 = 64 << 20;
