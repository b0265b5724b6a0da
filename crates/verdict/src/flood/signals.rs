//! What a flood shows, beyond what an audit looks at: figures, and the conditions of its decision table.

use echoctl_record::Evidence;

use super::Observed;
use super::stall::{STALL_SECONDS, Stall};
use crate::HELD_BACK_SECONDS;
use crate::unwritten::HEAP_SLACK;

/// The figures of a flood. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    pub(super) stall: Stall,
    pub(super) observed: Observed,
    /// Duration of the run.
    pub(super) duration: f64,
    /// Input that the server has read.
    pub(super) read: u64,
    /// The most that it had read and not written back.
    pub(super) unwritten: u64,
    /// Sent and not read back at the end.
    pub(super) in_flight: u64,
    /// The most that the kernel queues hold.
    pub(super) kernel_buffering: u64,
}

impl Signals {
    pub(super) fn of(evidence: &Evidence, observed: Observed) -> Signals {
        let last = evidence.points.last().copied().unwrap_or_default();
        Signals {
            stall: Stall::of(&evidence.points),
            observed,
            duration: evidence.max_duration,
            read: last.server_read().max(observed.read),
            unwritten: observed.unwritten.max(last.server_read().saturating_sub(last.server_written())),
            in_flight: last.sample.produced.saturating_sub(last.sample.consumed),
            kernel_buffering: evidence.kernel_buffering,
        }
    }

    pub(super) fn growth(&self) -> u64 {
        self.observed.growth.unwrap_or(0)
    }

    pub(super) fn sees_memory(&self) -> bool {
        self.observed.growth.is_some()
    }

    /// Whether the producer was ever held back.
    pub(super) fn was_held_back(&self) -> bool {
        self.observed.longest_wait >= HELD_BACK_SECONDS
    }

    /// Whether the server read nothing at the end, for longer than any pause.
    pub(super) fn has_stalled(&self) -> bool {
        self.stall.stalled_for >= STALL_SECONDS
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

    /// Whether more is unwritten than the kernels hold, and its memory does not have it.
    pub(super) fn is_not_in_memory(&self) -> bool {
        self.unwritten > self.kernel_buffering && self.growth() < self.unwritten / 2
    }
}

/// Input that exceeds most limits, if it is buffered.
const MUCH: u64 = 64 << 20;
