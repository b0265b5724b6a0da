//! The decision table of an audit: of each table, the first line whose condition holds gives the cause.

use super::cause::Cause;
use super::limits::GREETING_BYTES;
use super::signals::Signals;

/// Why a server with these signals has its verdict, by what it did with the slow reader.
pub(super) fn classify(signals: &Signals) -> Cause {
    match signals {
        s if s.is_empty() => Cause::NothingRecorded,
        s if s.has_crashed() => Cause::Crashed,
        s if s.evidence.out_of_memory.is_some() => Cause::RanOutOfMemory,
        s if s.evidence.violation.is_some() && s.had_retained_much() => Cause::RetainedUntilItStopped,
        s if s.evidence.violation.is_some() => Cause::ViolatedItsProtocol,
        s if s.disconnect().is_some() && !s.ended_after_its_answer() => disconnected(s),
        s if s.exceeds_memory_cap() && s.grew_beyond_a_limit() => Cause::GrewBeyondALimit,
        s if s.exceeds_memory_cap() => Cause::GrewToASmallCap,
        s if s.evidence.is_suspended && s.had_retained_much() => Cause::RetainedUntilItStopped,
        s if s.evidence.is_suspended => Cause::Suspended,
        s if s.has_stalled() => stalled(s),
        s if s.has_accepted_much() => accepting(s),
        s if s.memory_rises_slowly() => grew(s, Cause::GrewSlowly),
        // Perhaps it did not understand its input.
        s if s.read.saturating_add(s.written) < GREETING_BYTES && !s.has_output() => {
            Cause::MovedNearlyNothing
        }
        _ => Cause::MovedLittle,
    }
}

fn disconnected(signals: &Signals) -> Cause {
    match signals {
        s if s.has_just_answered() => Cause::AnsweredAndClosed,
        s if s.limits_input() => Cause::ClosedAtInputLimit,
        s if s.ends_a_flood() => Cause::EndedAFlood,
        s if s.kept_a_budget() => Cause::ClosedAfterMuch,
        s if s.serves_a_reader() || s.has_buffered_replies() => Cause::Closed,
        s if !s.was_under_pressure() => Cause::Refused,
        s if s.refuses_readers_too() => Cause::RefusesReadersToo,
        _ => Cause::Closed,
    }
}

fn stalled(signals: &Signals) -> Cause {
    match signals {
        s if s.disk_rises() && s.writes_anyway() => Cause::WritesAnyway,
        s if s.disk_rises() => Cause::SpilledWhileStalled,
        s if !s.is_under_pressure() && s.memory_rises_by_much() => grew(s, Cause::GrewWithoutPressure),
        s if !s.is_under_pressure() && s.is_unanswered() => Cause::NotAnswered,
        s if !s.is_under_pressure() => Cause::NeverUnderPressure,
        s if !s.sees_memory() && !s.output_is_like_input() => Cause::StalledUnseen,
        s if !s.sees_memory() => held_back(s, Cause::StoppedReadingUnseen),
        // Another process than the one that is visible had queued a stream.
        s if s.is_at_rest() && !s.evidence.repeats && s.backlog().is_some() => Cause::QueuedElsewhere,
        s if s.is_at_rest() => held_back(s, Cause::AtRest),
        s if s.memory_rises() => grew(s, Cause::GrewWhileStalled),
        s if s.memory_is_level() => held_back(s, Cause::LevelWhileStalled),
        _ => Cause::UnsteadyWhileStalled,
    }
}

/// The cause for a server whose memory grew, unless that grows without a slow reader, too.
fn grew(signals: &Signals, unbounded: Cause) -> Cause {
    if signals.grows_anyway() { Cause::GrowsAnyway } else { unbounded }
}

/// The cause for a stalled server that no longer buffers more, which is `bounded` if the slow reader is what held it back.
fn held_back(signals: &Signals, bounded: Cause) -> Cause {
    match signals {
        s if s.may_fetch_unseen() => Cause::UpstreamUnseen,
        s if !s.output_waits() && s.had_retained_much() => Cause::RetainedUntilItStopped,
        s if !s.output_waits() && s.has_sent_nothing_on() => Cause::NotJoined,
        s if !s.output_waits() && s.waits_for_unread_windows() && s.permits_more() => Cause::WindowsUnread,
        s if !s.output_waits() => Cause::StoppedForAnotherReason,
        s if !s.is_watched_enough() => Cause::MayBePausing,
        s if s.may_be_collecting() => Cause::MayBeCollecting,
        s if s.may_have_queued_output_before() => Cause::MayReuseMemory,
        s if s.goes_on() => bounded,
        s if s.evidence.drain.is_none() => Cause::StalledUndrained,
        s if s.had_retained_much() => Cause::RetainedUntilItStopped,
        _ => Cause::DidNotGoOn,
    }
}

fn accepting(signals: &Signals) -> Cause {
    match signals {
        s if s.is_in_files() => Cause::AcceptedToFiles,
        s if s.has_drained_a_queue() => Cause::DrainedAQueue,
        s if s.retains() && s.grew_steadily() => Cause::Retained,
        s if s.retains() => Cause::RetainedUnsteadily,
        s if s.has_marked_input() && s.has_sent_enough() => Cause::MarkedInMemory,
        s if s.has_marked_input() => Cause::MarkedOrGarbage,
        s if s.has_sent_nothing_on() => Cause::NotJoined,
        s if s.has_answered_once() => Cause::AnsweredOnce,
        s if s.growth().is_none() => Cause::AcceptedUnseen,
        s if s.may_send_only_by_itself() => Cause::SendsByItself,
        s if s.replies_fit_the_kernels() => Cause::SmallReplies,
        s if s.may_retain() => Cause::RetainedAPart,
        s if s.evidence.drain.is_none() => Cause::AcceptedUndrained,
        s if s.was_still_draining() => Cause::DrainUnfinished,
        s if !s.has_output() && s.evidence.hidden_upstream => Cause::UpstreamUnseen,
        s if !s.has_output() && s.may_hide_input() => Cause::MarkedOrGarbage,
        s if !s.has_output() && s.may_reuse_memory() && !s.has_read_more_than_memory() => {
            Cause::MayReuseMemory
        }
        _ => Cause::DroppedInput,
    }
}

/// What else holds, whatever the main cause is.
pub(super) fn beside(signals: &Signals) -> impl Iterator<Item = Cause> {
    let lines = [
        (signals.has_corrupted_an_echo(), Cause::CorruptedAnEcho),
        (signals.stays_stuck(), Cause::StaysStuck),
        (signals.has_starved_others(), Cause::StarvedOthers),
        (signals.is_dead_afterwards(), Cause::DeadAfterwards),
        (signals.has_spilled(), Cause::Spilled),
    ];
    lines.into_iter().filter_map(|(holds, cause)| holds.then_some(cause))
}
