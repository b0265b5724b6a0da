//! What is asked about a server that accepted its input, or too little to judge it.

use echoctl_record::{Point, StallKind, StopReason};

use crate::audit::limits::*;
use crate::audit::signals::{STALL_BYTES, Signals};
use crate::audit::steering::{memory_cap, proves_queue_above};

impl Signals<'_> {
    pub(in crate::audit) fn is_empty(&self) -> bool {
        self.evidence.points.is_empty()
    }

    /// Whether the server read so much that what it does with its input must show.
    pub(in crate::audit) fn has_accepted_much(&self) -> bool {
        self.evidence.repeats && self.read >= MIN_INPUT.min(self.evidence.budget)
    }

    /// Whether at least half of the input was written to files, and not to memory.
    pub(in crate::audit) fn is_in_files(&self) -> bool {
        self.in_files() >= self.read / 2 && !self.retains()
    }

    /// Bytes that were drained for the input, rather than sent by the server in any case meanwhile.
    fn drained_for_input(&self) -> u64 {
        self.drained().saturating_sub(self.unprompted_while_draining())
    }

    /// The most that the server sends by itself while it is drained: at twice the rate at which it sent to a client that asked for nothing.
    fn unprompted_while_draining(&self) -> u64 {
        let seconds = self.evidence.drain.as_ref().map_or(0.0, |drain| drain.seconds);
        self.evidence.unprompted.map_or(0, |rate| (2.0 * rate as f64 * seconds) as u64)
    }

    /// Whether the server sends by itself, and perhaps nothing else was drained.
    pub(in crate::audit) fn may_send_only_by_itself(&self) -> bool {
        self.unprompted_while_draining() > STALL_BYTES && self.drained_for_input() == 0
    }

    /// Whether more was drained than the kernels can have buffered, or everything that was pending.
    pub(in crate::audit) fn has_drained_a_queue(&self) -> bool {
        // A proof, scaled down for small budgets.
        let proof = proves_queue_above(self.evidence).min(self.read / 4).max(1);
        // If everything that was pending came, nothing had been dropped. The further sockets of a relay would hide that.
        let pending = self.pending_output();
        let all_came =
            !self.evidence.is_relay && pending >= MIN_PENDING / 2 && self.drained_for_input() >= pending / 2;
        self.drained_for_input() >= proof || all_came
    }

    /// Whether memory grows by what the server reads.
    pub(in crate::audit) fn retains(&self) -> bool {
        self.retained().is_some_and(|retained| retained >= RETENTION)
    }

    /// Whether memory grew steadily and by much, so that it is not garbage that has not been collected yet.
    pub(in crate::audit) fn grew_steadily(&self) -> bool {
        let grew_much = self.growth().unwrap_or(0) as f64 >= MIN_RETAINED;
        grew_much && self.memory_while_moving().is_some_and(|memory| memory.is_steady())
    }

    /// Whether there are replies, which are so small that the kernels' queues hold them.
    pub(in crate::audit) fn replies_fit_the_kernels(&self) -> bool {
        self.has_output() && (!self.output_is_full() || self.pending_output() < MIN_PENDING / 2)
    }

    /// Whether the first input was answered, by no more than a greeting, and nothing of what followed: by an error, or by the end of
    /// a conversation, after which the server only reads.
    pub(in crate::audit) fn has_answered_once(&self) -> bool {
        let answered = |point: &Point| point.server_written().saturating_sub(self.first.server_written());
        let early = self.evidence.points.iter().find(|point| point.sample.t >= self.t / 2.0);
        let answer = answered(&self.last);
        (1..=GREETING_BYTES).contains(&answer)
            && !self.has_output()
            && early.is_some_and(|early| answered(early) == answer)
    }

    /// Whether more than a greeting was written to the slow reader. Where a protocol's windows hold it back, what fits into them may
    /// be as little, and acknowledgements of much input more.
    pub(in crate::audit) fn has_output(&self) -> bool {
        match self.evidence.stall {
            Some(StallKind::Window | StallKind::WindowStream) => self.output_waited_at(&self.last),
            _ => self.written > GREETING_BYTES || self.last.output_credit == Some(0),
        }
    }

    /// Whether what a publisher sent did not reach the slow reader.
    pub(in crate::audit) fn has_sent_nothing_on(&self) -> bool {
        self.evidence.has_publisher && !self.has_output()
    }

    /// Whether memory may grow by a part of what the server reads.
    pub(in crate::audit) fn may_retain(&self) -> bool {
        self.retained().is_some_and(|retained| retained >= DOUBTFUL_RETENTION)
    }

    /// Whether more came than the kernels had buffered, and was still coming when the draining stopped.
    pub(in crate::audit) fn was_still_draining(&self) -> bool {
        let drain = self.evidence.drain.as_ref();
        self.drained() > 0 && drain.is_some_and(|drain| drain.stopped == StopReason::Enough)
    }

    /// Whether the output has filled the kernel's queues: some waits, and the server could write no more for the last
    /// [`FULL_FOR`].
    pub(in crate::audit) fn output_is_full(&self) -> bool {
        let before = self.evidence.points.iter().rev().find(|point| self.t - point.sample.t >= FULL_FOR);
        before.is_some_and(|before| match self.last.output_credit {
            Some(0) => before.output_credit == Some(0),
            _ => {
                let waits = self.last.output_waiting() > 0 || self.last.output_is_full == Some(true);
                waits && self.written.saturating_sub(before.server_written()) <= STALL_BYTES
            }
        })
    }

    /// Whether the server uses more memory than any reasonable limit.
    pub(in crate::audit) fn exceeds_memory_cap(&self) -> bool {
        let cap = memory_cap(self.evidence, &self.last);
        self.last.sample.server_memory.is_some_and(|memory| memory >= cap)
    }

    /// Whether memory grew by more than a queue for one peer should hold. Where little memory was available, reaching the cap
    /// proves nothing: a queue with a limit may be as large.
    pub(in crate::audit) fn grew_beyond_a_limit(&self) -> bool {
        self.growth().unwrap_or(0) >= ENOUGH_GROWTH
    }

    /// Whether memory rises steadily, by what the server reads or by much. Memory that follows the output into the kernel is not
    /// a queue yet; beyond that it is one.
    pub(in crate::audit) fn memory_rises_slowly(&self) -> bool {
        self.t >= WATCH
            && self.memory_in_all().is_some_and(|memory| {
                let is_of_input = self.retains() && memory.rise() >= 4.0 * MIN_RISE;
                memory.is_steady() && (is_of_input || memory.rise() >= SURE_RISE)
            })
    }
}
