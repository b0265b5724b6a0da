//! The decision table of an audit: of each table, the first line whose condition holds gives the cause.

use echoctl_record::DisconnectKind;

use super::cause::Cause;
use super::limits::GREETING_BYTES;
use super::signals::Signals;

/// Why a server with these signals has its verdict.
pub(super) fn classify(signals: &Signals) -> Cause {
    match signals {
        s if s.is_empty() => Cause::NothingRecorded,
        s if s.disconnect().is_some() => disconnected(s),
        s if s.exceeds_memory_cap() && s.grew_beyond_a_limit() => Cause::GrewBeyondALimit,
        s if s.exceeds_memory_cap() => Cause::GrewToASmallCap,
        s if s.has_stalled() => stalled(s),
        s if s.has_accepted_much() => accepting(s),
        s if s.memory_rises_slowly() => Cause::GrewSlowly,
        // Perhaps it did not understand its input.
        s if s.read.saturating_add(s.written) < GREETING_BYTES => Cause::MovedNearlyNothing,
        _ => Cause::MovedLittle,
    }
}

fn disconnected(signals: &Signals) -> Cause {
    match signals {
        s if s.disconnect() == Some(DisconnectKind::Crashed) => Cause::Crashed,
        s if s.has_just_answered() => Cause::AnsweredAndClosed,
        s if s.closed_early() => Cause::ClosedEarly,
        _ => Cause::Closed,
    }
}

fn stalled(signals: &Signals) -> Cause {
    match signals {
        s if !s.is_under_pressure() => Cause::NeverUnderPressure,
        s if !s.sees_memory() && s.output_is_like_input() => Cause::StoppedReadingUnseen,
        s if !s.sees_memory() => Cause::StalledUnseen,
        s if s.disk_rises() => Cause::SpilledWhileStalled,
        // Another process than the one that is visible had queued a stream.
        s if s.is_at_rest() && !s.evidence.repeats && s.backlog().is_some() => Cause::QueuedElsewhere,
        s if s.is_at_rest() && s.may_fetch_unseen() => Cause::UpstreamUnseen,
        s if s.is_at_rest() => Cause::AtRest,
        s if s.memory_rises() => Cause::GrewWhileStalled,
        s if s.memory_is_level() => Cause::LevelWhileStalled,
        _ => Cause::UnsteadyWhileStalled,
    }
}

fn accepting(signals: &Signals) -> Cause {
    match signals {
        s if s.is_on_disk() => Cause::AcceptedToDisk,
        s if s.has_drained_a_queue() => Cause::DrainedAQueue,
        s if s.retains() && s.grew_steadily() => Cause::Retained,
        s if s.retains() => Cause::RetainedUnsteadily,
        s if s.growth().is_none() => Cause::AcceptedUnseen,
        s if s.replies_fit_the_kernels() => Cause::SmallReplies,
        s if s.may_retain() => Cause::RetainedAPart,
        s if s.was_still_draining() => Cause::DrainUnfinished,
        _ => Cause::DroppedInput,
    }
}
