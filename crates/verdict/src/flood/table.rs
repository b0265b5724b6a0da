//! The decision table of a flood: of each table, the first line whose condition holds gives the cause.

use echoctl_record::Verdict;

use super::cause::Cause;
use super::signals::Signals;
use crate::{HELD_BACK_SECONDS, Judgement, audit};

/// Why the server of a flood with these signals has its verdict, given that of an audit.
pub(super) fn classify(by_audit: &Judgement<audit::Cause>, s: &Signals) -> Cause {
    match by_audit.verdict {
        Verdict::Disconnects | Verdict::Crashes | Verdict::Corrupts | Verdict::Starves | Verdict::Spills => {
            Cause::Audit(by_audit.cause)
        }
        Verdict::Unbounded if s.is_growth_of_others() => Cause::GrewWithOthers,
        Verdict::Unbounded if by_audit.cause == audit::Cause::RetainedUntilItStopped => {
            Cause::Audit(by_audit.cause)
        }
        Verdict::Unbounded if by_audit.cause == audit::Cause::DrainedAQueue && s.is_not_in_memory() => {
            drained(by_audit, s)
        }
        Verdict::Unbounded if s.stall.is_stall() => Cause::BufferedThenStopped,
        Verdict::Unbounded if by_audit.cause == audit::Cause::GrewSlowly && s.has_little_inside() => {
            uncertain(by_audit, s)
        }
        Verdict::Unbounded if s.sees_memory() => Cause::GrewWithInput,
        Verdict::Unbounded => Cause::Audit(by_audit.cause),
        // An inconclusive end of a connection, such as a refusal, and a suspended server.
        _ if s.is_disconnected || s.is_suspended => Cause::Audit(by_audit.cause),
        Verdict::Bounded => held_back(s),
        _ if s.has_lost_replies() => Cause::LostReplies,
        Verdict::Slow | Verdict::Inconclusive | Verdict::Discards => uncertain(by_audit, s),
    }
}

/// More came than the kernels hold, and it was not in the server's memory.
fn drained(by_audit: &Judgement<audit::Cause>, signals: &Signals) -> Cause {
    match signals {
        s if s.has_lost_replies() => Cause::LostReplies,
        // It was queued somewhere else.
        s if s.is_queue_drained => Cause::Audit(by_audit.cause),
        // What an audit expects to come follows from what came before the output was full; to a slow reader it never is.
        s => uncertain(by_audit, s),
    }
}

/// Where an audit would be uncertain, or rely on a drain.
fn uncertain(by_audit: &Judgement<audit::Cause>, signals: &Signals) -> Cause {
    match signals {
        s if s.is_backpressure() && s.has_buffered_much() => Cause::BufferedThenStopped,
        s if s.stall.is_stall() => held_back(s),
        s if s.stall.follows_reader() => Cause::ReadAsFastAsReplies,
        s if s.is_growth_of_others() => Cause::GrewWithOthers,
        s if s.stall.stalled_for >= HELD_BACK_SECONDS => Cause::StoppedBriefly,
        s if !s.sees_memory() => Cause::MemoryUnseen,
        s if s.is_not_in_memory() => Cause::NotInMemory,
        s if s.was_held_back() => Cause::HeldBackUnproven,
        _ if by_audit.verdict == Verdict::Slow => Cause::Audit(by_audit.cause),
        s if s.in_flight <= s.kernel_buffering => Cause::FitsTheKernels,
        _ => Cause::BufferedSome,
    }
}

/// A server that stopped reading, and buffers no more: whether its reader is what it waits for.
fn held_back(signals: &Signals) -> Cause {
    match signals {
        s if !s.stall.output_waits => Cause::StoppedForAnotherReason,
        s if s.stall.stalled_for < s.stall.seconds_to_watch() => Cause::MayBePausing,
        s if s.goes_on == Some(false) => Cause::DidNotGoOn,
        _ => Cause::StoppedReading,
    }
}
