//! The conditions of the decision table: what the signals of an attack say, each as one question.

use echoctl_record::{DisconnectKind, StopReason};

use super::limits::*;
use super::signals::{STALL_BYTES, Signals};
use super::steering::{memory_cap, proves_queue_above};

impl Signals<'_> {
    // Closed connections.

    pub(super) fn is_empty(&self) -> bool {
        self.evidence.points.is_empty()
    }

    /// How the connection closed, if it did.
    pub(super) fn disconnect(&self) -> Option<DisconnectKind> {
        self.evidence.disconnect.map(|disconnect| disconnect.kind)
    }

    /// Whether it sent a reply that fits into the kernels' queues, and then FIN: the regular end of a request, not a defence.
    pub(super) fn has_just_answered(&self) -> bool {
        !self.evidence.repeats
            && self.disconnect() == Some(DisconnectKind::Closed)
            && self.written <= self.evidence.kernel_buffering
            && self.stalled < 1.0
            && self.waited() < 1.0
    }

    /// Whether it closed the connection before anything had to wait: perhaps it did not understand its input.
    pub(super) fn closed_early(&self) -> bool {
        let is_soon = self.evidence.disconnect.is_some_and(|disconnect| disconnect.t < 1.0);
        is_soon && self.read < LITTLE_INPUT && self.waited() < 0.1
    }

    // Stalled servers.

    /// Whether nothing has moved for so long that the stall is judged.
    pub(super) fn has_stalled(&self) -> bool {
        self.stalled >= WATCH
    }

    /// Whether something waits in a kernel: input that the server does not read, or output that no longer fits into the slow
    /// reader's queue.
    pub(super) fn is_under_pressure(&self) -> bool {
        let input_waits = self.last.blocked || self.last.sample.produced > self.read;
        (self.evidence.repeats && input_waits) || self.last.output_waiting() > 0
    }

    pub(super) fn sees_memory(&self) -> bool {
        self.memory_in_all().is_some()
    }

    /// Whether the output is not larger than the input, so that it cannot grow once the input has stopped.
    pub(super) fn output_is_like_input(&self) -> bool {
        let limit = self.read.max(self.evidence.kernel_buffering / 16).saturating_mul(2);
        self.evidence.repeats && self.written <= limit
    }

    /// Whether the disk fills during the stall, in place of memory.
    pub(super) fn disk_rises(&self) -> bool {
        self.disk_while_stalled().zip(self.memory_while_stalled()).is_some_and(|(disk, memory)| {
            disk.rise() >= SURE_RISE && disk.is_steady() && memory.rise() <= disk.rise() / 8.0
        })
    }

    /// Whether a stalled server has come to rest, rather than to a pause between two steps of its growth: heaps grow in steps,
    /// one of which may last for seconds. A server that uses no processor time queues nothing; one that does is watched for
    /// longer.
    pub(super) fn is_at_rest(&self) -> bool {
        let settled = self.settled_for();
        // Memory that is not visible is never flat.
        let rise = |seconds: f64| self.memory_in_last(seconds).map_or(f64::INFINITY, |memory| memory.rise());
        let repeats = self.evidence.repeats;
        // The requests of a bystander keep a server slightly busy.
        let busy = if repeats { BUSY_CORES } else { IDLE_CORES };
        let is_idle = self.busy_while_stalled().is_none_or(|cores| cores <= busy);
        let is_flat =
            rise(settled.min(WATCH - SETTLE)) <= FLAT_RISE && (!repeats || rise(settled) <= MIN_RISE);
        let is_flat_for_long = self.stalled >= LONG_WATCH && rise(settled / 2.0) <= FLAT_RISE;
        (is_idle && is_flat) || (is_flat_for_long && (is_idle || self.t >= self.evidence.max_duration))
    }

    /// Whether the output may come from another server, whose memory is not visible.
    pub(super) fn may_fetch_unseen(&self) -> bool {
        let is_of_input = self.evidence.repeats && self.written <= self.read.saturating_mul(4);
        self.evidence.hidden_upstream && !is_of_input
    }

    /// Whether memory rises steadily during the stall.
    pub(super) fn memory_rises(&self) -> bool {
        let is_long = self.stalled >= 2.0 * WATCH;
        self.memory_while_stalled().is_some_and(|memory| {
            memory.is_steady() && (memory.rise() >= SURE_RISE || (memory.rise() >= MIN_RISE && is_long))
        })
    }

    /// Whether memory goes up and down in a long stall, as with a garbage collector at work, and its lows do not climb.
    pub(super) fn memory_is_level(&self) -> bool {
        self.stalled >= 2.0 * WATCH
            && self.memory_while_stalled().is_some_and(|memory| {
                memory.least < memory.first - SURE_RISE.min(memory.first / 8.0) || memory.rise() <= MIN_RISE
            })
    }

    // Servers that accept their input.

    /// Whether the server read so much that what it does with its input must show.
    pub(super) fn has_accepted_much(&self) -> bool {
        self.evidence.repeats && self.read >= MIN_INPUT.min(self.evidence.budget)
    }

    /// Whether at least half of the input was written to disk, and not to memory.
    pub(super) fn is_on_disk(&self) -> bool {
        self.disk_written().is_some_and(|disk| disk >= self.read / 2) && !self.retains()
    }

    /// Whether more was drained than the kernels can have buffered, or everything that was pending.
    pub(super) fn has_drained_a_queue(&self) -> bool {
        // A proof, scaled down for small budgets.
        let proof = proves_queue_above(self.evidence).min(self.read / 4).max(1);
        // If everything that was pending came, nothing had been dropped. The further sockets of a relay would hide that.
        let pending = self.pending_output();
        let all_came = !self.evidence.is_relay && pending >= MIN_PENDING / 2 && self.drained() >= pending / 2;
        self.drained() >= proof || all_came
    }

    /// Whether memory grows by what the server reads.
    pub(super) fn retains(&self) -> bool {
        self.retained().is_some_and(|retained| retained >= RETENTION)
    }

    /// Whether memory grew steadily and by much, so that it is not garbage that has not been collected yet.
    pub(super) fn grew_steadily(&self) -> bool {
        let grew_much = self.growth().unwrap_or(0) as f64 >= MIN_RETAINED;
        grew_much && self.memory_in_all().is_some_and(|memory| memory.is_steady())
    }

    /// Whether there are replies, which are so small that the kernels' queues hold them.
    pub(super) fn replies_fit_the_kernels(&self) -> bool {
        self.written > GREETING_BYTES && (!self.output_is_full() || self.pending_output() < MIN_PENDING / 2)
    }

    /// Whether memory may grow by a part of what the server reads.
    pub(super) fn may_retain(&self) -> bool {
        self.retained().is_some_and(|retained| retained >= DOUBTFUL_RETENTION)
    }

    /// Whether more came than the kernels had buffered, and was still coming when the draining stopped.
    pub(super) fn was_still_draining(&self) -> bool {
        let drain = self.evidence.drain.as_ref();
        self.drained() > 0 && drain.is_some_and(|drain| drain.stopped == StopReason::Enough)
    }

    /// Whether the output has filled the kernel's queues: some waits, and the server could write no more for the last
    /// [`FULL_FOR`].
    pub(super) fn output_is_full(&self) -> bool {
        let before = self.evidence.points.iter().rev().find(|point| self.t - point.sample.t >= FULL_FOR);
        self.last.output_waiting() > 0
            && before
                .is_some_and(|before| self.written.saturating_sub(before.server_written()) <= STALL_BYTES)
    }

    // Servers that neither stall nor accept much.

    /// Whether the server uses more memory than any reasonable limit.
    pub(super) fn exceeds_memory_cap(&self) -> bool {
        let cap = memory_cap(self.evidence, &self.last);
        self.last.sample.server_memory.is_some_and(|memory| memory >= cap)
    }

    /// Whether memory grew by more than a queue for one peer should hold. Where little memory was available, reaching the cap
    /// proves nothing: a queue with a limit may be as large.
    pub(super) fn grew_beyond_a_limit(&self) -> bool {
        self.growth().unwrap_or(0) >= ENOUGH_GROWTH
    }

    /// Whether memory rises steadily, by what the server reads or by much. Memory that follows the output into the kernel is not
    /// a queue yet; beyond that it is one.
    pub(super) fn memory_rises_slowly(&self) -> bool {
        self.t >= WATCH
            && self.memory_in_all().is_some_and(|memory| {
                let is_of_input = self.retains() && memory.rise() >= 4.0 * MIN_RISE;
                memory.is_steady() && (is_of_input || memory.rise() >= SURE_RISE)
            })
    }
}

/// Seconds without a byte of output after which a queue of the kernel is full: its last steps are 200 ms apart.
const FULL_FOR: f64 = 0.3;
