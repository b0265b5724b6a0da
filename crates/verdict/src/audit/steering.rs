//! Decides during an attack: how much to send, when the evidence suffices, and what the draining has to show.

use echoctl_record::{Disconnect, DisconnectKind, Evidence, Point};

use super::cause::Cause;
use super::limits::*;
use super::signals::{Signals, answer_ratio};
use super::table::classify;

/// Bytes of input that may be sent by now: the budget, or without limit where the budget does not suffice for a verdict.
pub fn allowance(evidence: &Evidence) -> u64 {
    let signals = Signals::of(evidence);
    // Memory that follows the input is known early.
    let is_due = signals.read >= if follows_input(&signals) { evidence.budget / 2 } else { evidence.budget };
    if is_due && wants_more(&signals) { u64::MAX } else { evidence.budget }
}

/// Whether the server closed the connection immediately, without having read anything.
pub fn was_refused(evidence: &Evidence) -> bool {
    let is_refusal = |end: Disconnect| end.kind != DisconnectKind::Crashed && end.t < 1.0;
    let moved_nothing = |point: &Point| point.server_read() == 0 && point.server_written() == 0;
    evidence.disconnect.is_some_and(is_refusal) && evidence.points.iter().all(moved_nothing)
}

/// Whether neither input nor output is moving now.
pub fn is_stalled(evidence: &Evidence) -> bool {
    Signals::of(evidence).stalled >= SETTLE
}

/// Whether the evidence is sufficient, so that the slow reader may read.
pub fn is_enough(evidence: &Evidence) -> bool {
    match Signals::of(evidence) {
        s if s.is_empty() => false,
        s if s.disconnect().is_some() || s.t >= duration_of(&s) || s.exceeds_memory_cap() => true,
        s if s.t < evidence.min_duration => false,
        s if s.has_stalled() => has_seen_the_stall(&s),
        s => evidence.repeats && s.read >= evidence.budget && !wants_more(&s),
    }
}

/// The longest that the attack takes: as long as was asked for; or twice as long as usual, while a high limit may yet be reached.
fn duration_of(signals: &Signals) -> f64 {
    let evidence = signals.evidence;
    let may_reach_a_limit = evidence.repeats
        && !signals.has_stalled()
        && !signals.has_sent_enough()
        && follows_input(signals)
        && has_room(signals);
    if evidence.min_duration == 0.0 && may_reach_a_limit {
        LONGER * evidence.max_duration
    } else {
        evidence.max_duration
    }
}

/// Whether a stall has shown all that it can show.
fn has_seen_the_stall(signals: &Signals) -> bool {
    match signals {
        s if !s.sees_memory() => true,
        s if s.grows_beyond_doubt() => true,
        s if !s.is_under_pressure() => s.is_at_rest() && s.is_nothing_expected(),
        s => {
            let is_watched = s.is_watched_enough() || (s.is_longer_than_pauses() && s.is_told_by_drain());
            s.is_at_rest() && s.output_waits() && is_watched && !s.may_be_collecting()
        }
    }
}

/// Whether a second attack after the draining would be more conclusive: garbage is collected by then, a queue is not.
pub fn wants_second_pass(evidence: &Evidence) -> bool {
    let signals = Signals::of(evidence);
    let has_time = signals.t < evidence.max_duration;
    match classify(&signals) {
        Cause::Retained | Cause::RetainedUnsteadily | Cause::MarkedOrGarbage => {
            has_time && !signals.has_sent_enough()
        }
        Cause::RetainedAPart => has_time,
        // What came on draining did not tell, so that the stall has to be longer.
        Cause::MayBePausing => has_time && signals.may_be_one_burst() && !signals.is_drained_to_its_end(),
        _ => false,
    }
}

/// Bytes beyond the kernels' buffering that prove a queue when they are drained.
pub fn proves_queue_above(evidence: &Evidence) -> u64 {
    // A relay has two more sockets, with kernel queues of their own. Where the kernels hold little, a queue that has a limit is larger.
    evidence.kernel_buffering.saturating_add(evidence.kernel_buffering / 4).max(LIMITED_QUEUE)
}

/// Output that only the kernels had buffered at the end of the attack: what was written and not read, and the replies to
/// what the server had not read yet.
pub fn in_kernels(evidence: &Evidence) -> u64 {
    let Some(last) = evidence.points.last() else { return 0 };
    let unread = last.sample.produced.saturating_sub(last.server_read()) as f64;
    let answers = answer_ratio(&evidence.points).unwrap_or(1.0) * unread;
    last.server_written().saturating_sub(last.sample.consumed).saturating_add(answers as u64)
}

/// Whether the verdict depends on the draining: the server accepted everything and replied to some of it.
pub fn depends_on_drain(evidence: &Evidence) -> bool {
    let signals = Signals::of(evidence);
    evidence.repeats && signals.disconnect().is_none() && !signals.has_stalled() && signals.has_output()
}

/// Whether the verdict depends on what the server does by itself: its memory or disk grew, and not by what it read.
pub fn depends_on_background(evidence: &Evidence) -> bool {
    let cause = classify(&Signals::of(evidence));
    matches!(
        cause,
        Cause::SpilledWhileStalled
            | Cause::GrewWithoutPressure
            | Cause::GrewWhileStalled
            | Cause::GrewSlowly
            | Cause::GrowsAnyway
            | Cause::WritesAnyway
    )
}

/// Bytes beyond those in the kernels after which draining a server shows nothing more.
pub fn enough_drained(evidence: &Evidence) -> u64 {
    let enough = 2 * proves_queue_above(evidence);
    // More than a server has memory shows that it makes its output on demand.
    let memory = Signals::of(evidence).all_memory().filter(|_| !evidence.repeats).unwrap_or(0);
    enough.max(memory.min(DRAINABLE).saturating_add(1))
}

/// Memory at which the attack ends, given its last point. More is not needed for any verdict.
pub fn memory_cap(evidence: &Evidence, last: &Point) -> u64 {
    let base = evidence.points.first().and_then(|point| point.sample.server_memory).unwrap_or(0);
    let growth = last.sample.produced.saturating_mul(2).saturating_add(MEMORY_CAP).min(evidence.memory_limit);
    base.saturating_add(growth)
}

/// Whether a verdict needs more input than the budget.
fn wants_more(signals: &Signals) -> bool {
    let has_replies = signals.has_output();
    let is_full = signals.output_is_full();
    if signals.has_sent_enough() {
        // Replies that are tiny beside the requests need many more of them to fill a kernel's queue.
        return has_replies && (!is_full || signals.pending_output() < MIN_PENDING);
    }
    if is_full {
        // A high limit shows only when it is reached.
        return signals.pending_output() < MIN_PENDING || (follows_input(signals) && has_room(signals));
    }
    // The output has not filled the kernel's queue yet; or there is none, and memory rises or is full of input all the same:
    // garbage rises until it is collected, a queue rises without end. Or it may be in memory that the server had before, until that
    // is less than was sent.
    let may_reuse = signals.may_reuse_memory() && !signals.has_read_more_than_memory();
    has_replies || may_reuse || signals.may_retain() || signals.has_marked_input() || signals.may_hide_input()
}

/// Whether memory grows by what the server reads.
fn follows_input(signals: &Signals) -> bool {
    signals.retains() && signals.growth().unwrap_or(0) as f64 >= MIN_RETAINED
}

/// Whether memory may grow further: the last quarter of what is available is for the draining.
fn has_room(signals: &Signals) -> bool {
    signals.growth().unwrap_or(0) < signals.evidence.memory_limit / 4 * 3
}
