//! What is asked about a server that stalled.

use echoctl_record::StopReason;

use crate::audit::limits::*;
use crate::audit::signals::Signals;
use crate::pauses::WATCH_PER_GAP;
use crate::unwritten::HEAP_SLACK;

impl Signals<'_> {
    /// Whether nothing has moved for so long that the stall is judged. Of a stimulus that is repeated, input must wait: a client
    /// that has sent all that it may send does not show whether the server reads on.
    pub(in crate::audit) fn has_stalled(&self) -> bool {
        self.stalled >= WATCH && (!self.evidence.repeats || self.input_waits())
    }

    /// Whether something waits in a kernel: input that the server does not read, or output that no longer fits into the slow
    /// reader's queue.
    pub(in crate::audit) fn is_under_pressure(&self) -> bool {
        (self.evidence.repeats && self.input_waits()) || self.output_waits()
    }

    /// Whether input waits that the server does not read.
    fn input_waits(&self) -> bool {
        self.last.blocked || self.last.sample.produced > self.read
    }

    /// Whether the server can write no more because the slow reader does not read. Where the kernel does not show whether its send
    /// queue is full, output waits in it.
    pub(in crate::audit) fn output_waits(&self) -> bool {
        self.last.output_is_full.unwrap_or(self.last.output_waiting() > 0)
    }

    pub(in crate::audit) fn sees_memory(&self) -> bool {
        self.memory_in_all().is_some()
    }

    /// Whether the output is not larger than the input, so that it cannot grow once the input has stopped.
    pub(in crate::audit) fn output_is_like_input(&self) -> bool {
        let limit = self.read.max(self.evidence.kernel_buffering / 16).saturating_mul(2);
        self.evidence.repeats && self.written <= limit
    }

    /// Whether the disk fills during the stall, in place of memory.
    pub(in crate::audit) fn disk_rises(&self) -> bool {
        self.disk_while_stalled().zip(self.memory_while_stalled()).is_some_and(|(disk, memory)| {
            disk.rise() >= SURE_RISE && disk.is_steady() && memory.rise() <= disk.rise() / 8.0
        })
    }

    /// Whether a stalled server has come to rest, rather than to a pause between two steps of its growth: heaps grow in steps,
    /// one of which may last for seconds. A server that uses no processor time queues nothing; one that does is watched for
    /// longer.
    pub(in crate::audit) fn is_at_rest(&self) -> bool {
        let settled = self.settled_for();
        // Memory that is not visible is never flat.
        let rise = |seconds: f64| self.memory_in_last(seconds).map_or(f64::INFINITY, |memory| memory.rise());
        // The requests of a bystander keep a server slightly busy.
        let busy = if self.evidence.repeats { BUSY_CORES } else { IDLE_CORES };
        let is_idle = self.busy_while_stalled().is_none_or(|cores| cores <= busy);
        let shown = settled.min(self.seconds_to_show(FLAT_RISE).max(WATCH) - SETTLE);
        let is_flat = rise(shown) <= FLAT_RISE;
        let is_flat_for_long = self.stalled >= LONG_WATCH && rise(settled / 2.0) <= FLAT_RISE;
        let is_still = self.is_still_in_last(settled.min(shown.max(LONG_WATCH)));
        is_still
            && ((is_idle && is_flat)
                || (is_flat_for_long && (is_idle || self.t >= self.evidence.max_duration)))
    }

    /// Whether memory has not risen for this long. Memory of a producer of its own must not have fallen either: what another
    /// client left behind may be released while a queue grows.
    fn is_still_in_last(&self, seconds: f64) -> bool {
        self.memory_in_last(seconds).is_some_and(|memory| {
            let moved = if self.output_is_like_input() { memory.rise() } else { memory.swing() };
            moved <= MIN_RISE
        })
    }

    /// Whether memory goes up and down in a long stall, as with a garbage collector at work, and its lows do not climb.
    pub(in crate::audit) fn memory_is_level(&self) -> bool {
        let watched = self.stalled >= (2.0 * WATCH).max(self.seconds_to_show(MIN_RISE));
        let moves = self.memory_while_stalled().zip(self.floor_while_stalled());
        watched
            && moves.is_some_and(|(memory, floor)| {
                let is_low_again = memory.least < memory.first - SURE_RISE.min(memory.first / 8.0);
                let has_climbed = floor.rise() > MIN_RISE.max(memory.swing() / 2.0);
                (is_low_again || memory.rise() <= MIN_RISE) && !has_climbed
            })
    }

    /// Whether memory rises steadily during the stall.
    pub(in crate::audit) fn memory_rises(&self) -> bool {
        let is_long = self.stalled >= 2.0 * WATCH;
        self.memory_while_stalled().is_some_and(|memory| {
            memory.is_steady() && (memory.rise() >= SURE_RISE || (memory.rise() >= MIN_RISE && is_long))
        })
    }

    /// Whether memory rises steadily and by much, which needs no pressure to be a fault.
    pub(in crate::audit) fn memory_rises_by_much(&self) -> bool {
        self.memory_while_stalled().is_some_and(|memory| memory.is_steady() && memory.rise() >= SURE_RISE)
    }

    /// Seconds of a stall in which growth would exceed `rise` clearly if the server went on as before: several of its pauses and, for
    /// one that produces by itself, enough time at its rate.
    fn seconds_to_show(&self, rise: f64) -> f64 {
        let pauses = WATCH_PER_GAP * self.longest_gap();
        // A server whose output follows its input produces nothing in a stall.
        if self.output_is_like_input() {
            return pauses;
        }
        pauses.max(CLEAR_RISE * rise / self.rate().max(1.0) + SETTLE)
    }

    /// Whether the stall has been watched for so long that flat memory proves something.
    pub(in crate::audit) fn is_watched_enough(&self) -> bool {
        let is_shown = self.stalled >= self.seconds_to_show(FLAT_RISE);
        is_shown && (!self.is_one_burst() || self.stalled >= LONG_WATCH || self.went_on_at_once())
    }

    /// Whether all output came at once, which is perhaps the first of several bursts: their period is not known.
    fn is_one_burst(&self) -> bool {
        !self.evidence.repeats && self.produced_for() < ONE_BURST
    }

    /// Whether a stall without pressure has been watched long enough, too: something that exceeds a greeting may be the first of
    /// several bursts.
    pub(in crate::audit) fn is_nothing_expected(&self) -> bool {
        self.written <= GREETING_BYTES || self.stalled >= LONG_WATCH.max(self.seconds_to_show(0.0))
    }

    /// Seconds of a stall after which this server could be judged.
    pub(in crate::audit) fn seconds_to_watch(&self) -> f64 {
        let until = self.t - self.stalled;
        (until + self.seconds_to_show(FLAT_RISE).max(LONG_WATCH)) * 1.2
    }

    /// Whether the server is busy although nothing moves: perhaps a garbage collector that finds nothing to free.
    pub(in crate::audit) fn may_be_collecting(&self) -> bool {
        let is_busy = self.busy_while_stalled().is_some_and(|cores| cores >= COLLECTOR_CORES);
        let is_empty = self.output_is_like_input() && self.read <= HEAP_SLACK;
        is_busy && !is_empty && !self.has_few_marks()
    }

    /// Whether the output may come from another server, whose memory is not visible.
    pub(in crate::audit) fn may_fetch_unseen(&self) -> bool {
        let is_of_input = self.evidence.repeats && self.written <= self.read.saturating_mul(4);
        self.evidence.hidden_upstream && !is_of_input
    }

    /// Whether the server closed the connection on draining, after no more than the rest of a write.
    fn gives_up_its_answer(&self) -> bool {
        let is_closed = self.evidence.drain.as_ref().is_some_and(|drain| drain.stopped == StopReason::Closed);
        is_closed && self.drained() < GREETING_BYTES
    }

    /// Whether a stream came on draining as fast as it was read, so that it is produced on demand or was there already.
    fn went_on_at_once(&self) -> bool {
        self.drained() >= self.evidence.kernel_buffering
    }

    /// Whether the server is known to have gone on once it was read: it read or wrote more than at the end of the stall. Where its
    /// output is that of our input, and there is little to lose, it is enough that it served another client.
    pub(in crate::audit) fn goes_on(&self) -> bool {
        let is_served = self.evidence.bystanders.is_some_and(|bystanders| {
            bystanders.all().any(|service| service.during == Some(true) || service.after == Some(true))
        });
        let went_on = self.evidence.drain.as_ref().map(|drain| self.went_on_in(drain));
        if !self.evidence.repeats && went_on.is_some() {
            return went_on == Some(true) && !self.gives_up_its_answer();
        }
        let has_grown = self.growth().unwrap_or(0) as f64 >= MIN_RETAINED;
        went_on == Some(true) || (is_served && (went_on.is_none() || !has_grown))
    }
}
