//! The decision table of a flood: of each table, the first line whose condition holds gives the cause.

use echoctl_record::Verdict;

use super::cause::Cause;
use super::signals::Signals;
use crate::{HELD_BACK_SECONDS, Judgement, audit};

/// Why the server of a flood with these signals has its verdict, given that of an audit.
pub(super) fn classify(by_audit: &Judgement<audit::Cause>, s: &Signals) -> Cause {
    match by_audit.verdict {
        Verdict::Disconnects | Verdict::Crashes | Verdict::Spills | Verdict::Starves | Verdict::Corrupts => {
            Cause::Audit(by_audit.cause)
        }
        Verdict::Bounded => Cause::StoppedReading,
        Verdict::Unbounded if s.has_stalled() => Cause::BufferedThenStopped,
        Verdict::Unbounded if s.is_growth_of_others() => Cause::GrewWithOthers,
        Verdict::Unbounded if s.sees_memory() => Cause::GrewWithInput,
        Verdict::Unbounded => Cause::Audit(by_audit.cause),
        Verdict::Slow | Verdict::Inconclusive | Verdict::Discards => uncertain(by_audit, s),
    }
}

/// Where an audit would be uncertain, or rely on a drain.
fn uncertain(by_audit: &Judgement<audit::Cause>, signals: &Signals) -> Cause {
    match signals {
        s if s.stall.is_backpressure() && s.has_buffered_much() => Cause::BufferedThenStopped,
        s if s.has_stalled() => Cause::StoppedReading,
        s if s.stall.is_backpressure() => Cause::ReadAsFastAsReplies,
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
