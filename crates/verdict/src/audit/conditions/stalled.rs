//! What is asked about a server that stalled.

use echoctl_record::{Drain, Point, StallKind, StopReason};

use crate::audit::limits::*;
use crate::audit::signals::{STALL_BYTES, Signals};
use crate::pauses::WATCH_PER_GAP;
use crate::trend::Movement;
use crate::unwritten::HEAP_SLACK;

impl Signals<'_> {
    /// Whether nothing has moved for so long that the stall is judged. Of a stimulus that is repeated, input must wait for the server: a
    /// client that has sent all that it may send, or whose kernel sends nothing on, does not show whether the server reads on.
    pub(in crate::audit) fn has_stalled(&self) -> bool {
        let input_waits = self.input_waits() && !self.last.is_blocked_by_path();
        self.stalled >= WATCH && (!self.evidence.repeats || input_waits)
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

    /// Whether the server can write no more because the slow reader does not read; or could not until that drained it, and has written
    /// nothing by itself since then: it had no more to say.
    pub(in crate::audit) fn output_waits(&self) -> bool {
        let before_drain = self.own_movement().before_drain;
        self.output_waited_at(&self.last) || before_drain.is_some_and(|point| self.output_waited_at(&point))
    }

    /// Whether the server could write no more at this point. Windows of a protocol hold back only a server that has begun to answer.
    /// Those of a client that is suspended are not visible: what it has not read shows that it was sent something.
    pub(in crate::audit) fn output_waited_at(&self, point: &Point) -> bool {
        let (sample, is_used_up) = (&point.sample, point.output_credit == Some(0));
        let is_left_unread = self.evidence.stall == Some(StallKind::Client)
            && (sample.client_received.is_some_and(|received| received > sample.consumed)
                || self.flowed_until_suspended());
        if is_used_up && self.is_unanswered() { false } else { point.output_is_blocked() || is_left_unread }
    }

    /// Whether output moved in the last moments before the client was suspended. It may have read all of it, and not granted more.
    fn flowed_until_suspended(&self) -> bool {
        let until = self.evidence.reads_until;
        let mut before = self.evidence.points.iter().rev().filter(|point| point.sample.t < until);
        let Some(last) = before.next() else { return false };
        let earlier = before.find(|point| until - point.sample.t >= SETTLE);
        earlier
            .is_some_and(|point| last.server_written() > point.server_written().saturating_add(STALL_BYTES))
    }

    /// Whether the windows of the slow reader's protocol hold the server back.
    pub(in crate::audit) fn is_behind_windows(&self) -> bool {
        self.last.output_credit == Some(0)
    }

    /// Whether no response to any of several requests has begun, as far as is known.
    pub(in crate::audit) fn is_unanswered(&self) -> bool {
        self.evidence.responses.is_some_and(|responses| responses.answered == 0)
    }

    /// Whether the slow reader holds itself back: it does not read what would allow it to send more, and the server has read all that
    /// was sent.
    pub(in crate::audit) fn waits_for_unread_windows(&self) -> bool {
        let unread = self.last.sample.produced.saturating_sub(self.read);
        self.evidence.stall == Some(StallKind::Tcp)
            && self.evidence.repeats
            && self.last.output_credit.is_some()
            && self.last.blocked
            && unread <= STALL_BYTES
    }

    /// Whether the server goes on once it is read, or at least permits more input.
    pub(in crate::audit) fn permits_more(&self) -> bool {
        self.goes_on() || self.evidence.input_credit.is_some_and(|bytes| bytes > 0)
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

    /// Whether memory has not risen for this long. Memory of a producer of its own whose output waits must not have fallen either:
    /// what another client left behind may be released while a queue grows.
    fn is_still_in_last(&self, seconds: f64) -> bool {
        self.memory_in_last(seconds).is_some_and(|memory| {
            let may_hide_growth = !self.output_is_like_input() && self.output_waited_at(&self.last);
            let moved = if may_hide_growth { memory.swing() } else { memory.rise() };
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
            let is_queue = memory.rise() >= MIN_RISE && is_long && !self.is_far_below_output(memory.rise());
            memory.is_steady() && (memory.rise() >= SURE_RISE || is_queue)
        })
    }

    /// Whether memory rose by so little that it cannot be what the server makes, at the rate at which it goes on once it is read: it
    /// held nearly all of it back, and the rest is what a heap does.
    fn is_far_below_output(&self, rise: f64) -> bool {
        let made = self.settled_for() * self.rate_of_late_drain();
        rise < DOUBTFUL_RETENTION * made
    }

    /// Whether memory has risen steadily during a long stall by as much as is enough of a stimulus that is repeated.
    pub(in crate::audit) fn grows_beyond_doubt(&self) -> bool {
        let enough = self.evidence.budget.max(SURE_RISE as u64) as f64;
        let rises = |memory: Movement| memory.is_steady() && memory.rise() >= enough;
        self.stalled >= 2.0 * WATCH && self.memory_while_stalled().is_some_and(rises)
    }

    /// Whether memory rises steadily and by much, which needs no pressure to be a fault.
    pub(in crate::audit) fn memory_rises_by_much(&self) -> bool {
        self.memory_while_stalled().is_some_and(|memory| memory.is_steady() && memory.rise() >= SURE_RISE)
    }

    /// Seconds of a stall in which growth would exceed `rise` clearly if the server went on as before: several of its pauses and, for
    /// one that produces by itself, enough time at its rate.
    fn seconds_to_show(&self, rise: f64) -> f64 {
        let pauses = WATCH_PER_GAP * self.own_movement().longest_gap;
        // A server whose output follows its input produces nothing in a stall. What windows let through at once shows no rate.
        if self.output_is_like_input() || (self.came_at_once() && self.is_behind_windows()) {
            return pauses;
        }
        pauses.max(CLEAR_RISE * rise / self.rate().max(1.0) + SETTLE)
    }

    /// Whether the stall has been watched for so long that flat memory proves something.
    pub(in crate::audit) fn is_watched_enough(&self) -> bool {
        let is_told = self.is_made_on_demand() || self.is_drained_to_its_end();
        self.is_longer_than_pauses() && (!self.may_be_one_burst() || is_told)
    }

    /// Whether the stall is longer than the pauses before it, and than a producer at the rate before it needs to show.
    pub(in crate::audit) fn is_longer_than_pauses(&self) -> bool {
        self.stalled >= self.seconds_to_show(FLAT_RISE)
    }

    /// Whether all output came at once, which is perhaps the first of several bursts: their period is not known.
    pub(in crate::audit) fn may_be_one_burst(&self) -> bool {
        self.came_at_once() && self.own_movement().quiet < LONG_WATCH
    }

    /// Whether the server made all its output in a moment, so that its rate is not known if something held it back by then.
    fn came_at_once(&self) -> bool {
        !self.evidence.repeats && self.produced_for() < ONE_BURST
    }

    /// Whether a drain can tell a server that makes its output on demand from one that has made a burst: it can read more than there is
    /// memory in which a burst could wait.
    pub(in crate::audit) fn is_told_by_drain(&self) -> bool {
        let is_small = self.all_memory().is_some_and(|bytes| bytes <= DRAINABLE);
        let has_grown = self.peak().unwrap_or(0) > SURE_RISE as u64;
        self.may_be_one_burst()
            && self.evidence.drain.is_none()
            && !self.evidence.is_relay
            && is_small
            && !has_grown
    }

    /// Whether a stall without pressure has been watched long enough, too: something that exceeds a greeting may be the first of
    /// several bursts.
    pub(in crate::audit) fn is_nothing_expected(&self) -> bool {
        !self.has_output() || self.own_movement().quiet >= LONG_WATCH.max(self.seconds_to_show(0.0))
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
        self.is_drained_to_its_end() && self.drained() < GREETING_BYTES
    }

    /// Whether what came on draining cannot have been made before: it is more than all memory of the server, and did not end. Of a
    /// server behind it, only the growth is known.
    fn is_made_on_demand(&self) -> bool {
        let is_more = |drain: &Drain| self.all_memory().is_some_and(|bytes| drain.beyond_kernels() > bytes);
        let ongoing = self.evidence.drain.as_ref().filter(|drain| drain.stopped == StopReason::Enough);
        !self.evidence.is_relay && ongoing.is_some_and(is_more)
    }

    /// Whether output that the server makes by itself may be in memory that it had before the attack.
    pub(in crate::audit) fn may_have_queued_output_before(&self) -> bool {
        !self.output_is_like_input() && self.may_reuse_memory() && !self.is_made_on_demand()
    }

    /// Whether the server ended its output, so that nothing more is to come.
    pub(in crate::audit) fn is_drained_to_its_end(&self) -> bool {
        self.evidence.drain.as_ref().is_some_and(|drain| drain.stopped == StopReason::Closed)
    }

    /// The most memory that the server had, with what it had before the attack.
    pub(in crate::audit) fn all_memory(&self) -> Option<u64> {
        self.evidence.points.iter().filter_map(|point| point.sample.server_memory).max()
    }

    /// Whether another client was served while the slow reader did not read, or after it had gone.
    pub(in crate::audit) fn serves_others(&self) -> bool {
        self.evidence.bystanders.is_some_and(|bystanders| {
            bystanders.all().any(|service| service.during == Some(true) || service.after == Some(true))
        })
    }

    /// Whether the server is known to have gone on once it was read: it read or wrote more than at the end of the stall. Where its
    /// output is that of our input, and there is little to lose, it is enough that it served another client.
    pub(in crate::audit) fn goes_on(&self) -> bool {
        let went_on = self.evidence.drain.as_ref().map(|drain| self.went_on_in(drain));
        if !self.evidence.repeats && went_on.is_some() {
            return went_on == Some(true) && !self.gives_up_its_answer();
        }
        let has_grown = self.growth().unwrap_or(0) as f64 >= MIN_RETAINED;
        let went_on_or_serves =
            went_on == Some(true) || (self.serves_others() && (went_on.is_none() || !has_grown));
        went_on_or_serves && !self.leaves_input()
    }

    /// Whether input waits in the server's kernel that it did not read, although the slow reader had read all that it had written, and
    /// nothing more came for long. Of several slow readers, some may never have been served.
    pub(in crate::audit) fn leaves_input(&self) -> bool {
        let Some(drain) = &self.evidence.drain else { return false };
        let is_read = drain.server_written == Some(self.taken());
        let is_over = drain.stopped == StopReason::Quiet;
        let is_single = self.last.sample.connections == 1;
        self.evidence.repeats && is_single && is_over && is_read && self.left_unread() > GREETING_BYTES
    }

    /// Bytes of output that the slow reader had read in the end.
    pub(in crate::audit) fn taken(&self) -> u64 {
        let before_any_drain = self.evidence.points.iter().take_while(|point| !point.after_drain).last();
        let before = before_any_drain.map_or(0, |point| point.sample.consumed);
        before.saturating_add(self.evidence.drain.as_ref().map_or(0, |drain| drain.bytes))
    }

    /// Bytes that had arrived at the server's kernel by the end of the stall, and that it had not read when the drain ended.
    pub(in crate::audit) fn left_unread(&self) -> u64 {
        let read = self.evidence.drain.as_ref().and_then(|drain| drain.server_read);
        let received = self.last.sample.server_received;
        received.zip(read).map_or(0, |(received, read)| received.saturating_sub(read))
    }
}
