//! Why a flood's server has its verdict, as a value: each cause has one verdict, and one advice where the verdict is not certain.

use echoctl_record::Verdict;

use super::signals::Signals;
use crate::{Advice, Judgement, audit};

/// Why a flood's server has its verdict. What it says in words, with its figures, is in `reason.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// As an audit with this evidence.
    Audit(audit::Cause),
    /// It stopped reading and held the producer back.
    StoppedReading,
    /// It read only as fast as its replies were read.
    ReadAsFastAsReplies,
    /// It read on, and what it had not written back by then never came.
    LostReplies,
    /// Its memory grew with its input.
    GrewWithInput,
    /// Its memory grew with the input of other clients.
    GrewWithOthers,
    /// It stopped reading, but its output had room in the kernel.
    StoppedForAnotherReason,
    /// It stopped reading, but it had paused before.
    MayBePausing,
    /// It stopped reading, and did not go on once its output was read.
    DidNotGoOn,
    /// It buffered much input, and then held the producer back: a high limit, or a pause.
    BufferedThenStopped,
    /// It held the producer back, but too briefly.
    StoppedBriefly,
    /// It accepted its input, and its memory is not visible.
    MemoryUnseen,
    /// It wrote back less than it read, and its memory does not have the rest.
    NotInMemory,
    /// It held the producer back, but did not show that it buffers no more than before.
    HeldBackUnproven,
    /// No more was pending than the kernels' queues hold.
    FitsTheKernels,
    /// Its memory grew too much for a server that buffers nothing, and too little for one that buffers everything.
    BufferedSome,
}

impl Cause {
    /// The verdict that follows from it, and what to try next where that is not certain.
    pub(super) fn conclusion(
        self,
        by_audit: &Judgement<audit::Cause>,
        signals: &Signals,
    ) -> (Verdict, Option<Advice>) {
        let doubt = |advice: Advice| (Verdict::Inconclusive, Some(advice));
        match self {
            Cause::Audit(_) => (by_audit.verdict, by_audit.advice),
            Cause::StoppedReading | Cause::ReadAsFastAsReplies => (Verdict::Bounded, None),
            Cause::LostReplies => (Verdict::Discards, None),
            Cause::GrewWithInput => (Verdict::Unbounded, None),
            Cause::GrewWithOthers => doubt(Advice::RunWithoutOthers),
            Cause::BufferedThenStopped | Cause::StoppedBriefly | Cause::HeldBackUnproven => {
                doubt(Advice::WatchLonger { seconds: 30.0 })
            }
            Cause::MayBePausing => {
                // The stall may begin at any time, and has to be watched from its start.
                doubt(Advice::WatchLonger { seconds: (2.0 * signals.stall.seconds_to_watch()).max(30.0) })
            }
            Cause::StoppedForAnotherReason | Cause::DidNotGoOn => doubt(Advice::CheckServer),
            Cause::MemoryUnseen => doubt(Advice::ShowMemoryOrAudit),
            Cause::NotInMemory => doubt(Advice::AuditInstead),
            Cause::FitsTheKernels => doubt(Advice::AddPressure),
            Cause::BufferedSome => doubt(Advice::SendMore),
        }
    }
}
