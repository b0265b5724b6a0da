//! Why a server has its verdict, as a value: each cause has one verdict, and one advice where the verdict is not certain.

use echoctl_record::Verdict;

use super::signals::Signals;
use crate::Advice;

/// Why a server has its verdict. What it says in words, with its figures, is in `reason.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing was recorded.
    NothingRecorded,
    /// The server crashed.
    Crashed,
    /// It sent a reply that the kernels' queues hold, and closed the connection.
    AnsweredAndClosed,
    /// It closed the connection before anything had to wait.
    ClosedEarly,
    /// It closed the connection.
    Closed,
    /// Its memory grew beyond any reasonable limit.
    GrewBeyondALimit,
    /// Its memory grew up to a cap as small as a reasonable limit.
    GrewToASmallCap,
    /// Nothing moved, but nothing waited either.
    NeverUnderPressure,
    /// It stopped reading, its memory is not visible, and its output is no larger than its input.
    StoppedReadingUnseen,
    /// It stalled, and its memory is not visible.
    StalledUnseen,
    /// It stalled, and went on to write to disk.
    SpilledWhileStalled,
    /// It stalled with flat memory, but another process had queued its output.
    QueuedElsewhere,
    /// It stalled with flat memory, but its output may come from a server whose memory is not visible.
    UpstreamUnseen,
    /// It stalled, and its memory stopped growing.
    AtRest,
    /// It stalled, and its memory rose steadily.
    GrewWhileStalled,
    /// It stalled for long, and its memory rose and fell without a trend.
    LevelWhileStalled,
    /// It stalled, and its memory rose, but not steadily.
    UnsteadyWhileStalled,
    /// It accepted its input and wrote it to disk.
    AcceptedToDisk,
    /// It accepted its input, and more was drained than the kernels can have buffered.
    DrainedAQueue,
    /// It accepted its input, and its memory grew steadily by what it read.
    Retained,
    /// The same, but not steadily.
    RetainedUnsteadily,
    /// It accepted its input and sent nothing back, and its memory is not visible.
    AcceptedUnseen,
    /// It accepted its input, and the kernels' queues hold its small replies.
    SmallReplies,
    /// It accepted its input, and its memory grew by a small part of it.
    RetainedAPart,
    /// It accepted its input, and was still sending when the draining stopped.
    DrainUnfinished,
    /// It accepted its input, and neither its memory grew nor did anything come back.
    DroppedInput,
    /// It reads or produces slowly, and its memory rose steadily.
    GrewSlowly,
    /// It moved hardly more than a greeting.
    MovedNearlyNothing,
    /// It moved too little to fill the kernels' queues.
    MovedLittle,
}

impl Cause {
    /// The verdict that follows from it, and what to try next where that is not certain.
    pub(super) fn conclusion(self, signals: &Signals) -> (Verdict, Option<Advice>) {
        let doubt = |advice: Advice| (Verdict::Inconclusive, Some(advice));
        match self {
            Cause::AtRest | Cause::StoppedReadingUnseen | Cause::LevelWhileStalled => {
                (Verdict::Bounded, None)
            }
            Cause::Closed => (Verdict::Disconnects, None),
            Cause::ClosedEarly => (Verdict::Disconnects, Some(Advice::CheckGreeting)),
            Cause::DroppedInput => (Verdict::Discards, None),
            Cause::AcceptedToDisk | Cause::SpilledWhileStalled => (Verdict::Spills, None),
            Cause::GrewBeyondALimit
            | Cause::GrewWhileStalled
            | Cause::GrewSlowly
            | Cause::DrainedAQueue
            | Cause::Retained => (Verdict::Unbounded, None),
            Cause::Crashed => (Verdict::Crashes, None),
            Cause::MovedNearlyNothing => {
                (Verdict::Slow, Some(Advice::CheckInputOrWatchLonger { seconds: seconds_to_fill(signals) }))
            }
            Cause::MovedLittle => {
                (Verdict::Slow, Some(Advice::WatchLonger { seconds: seconds_to_fill(signals) }))
            }
            Cause::NothingRecorded => doubt(Advice::RunAgain),
            Cause::AnsweredAndClosed => doubt(Advice::RequestLargerReply),
            Cause::GrewToASmallCap => doubt(Advice::GiveMoreMemory),
            Cause::NeverUnderPressure => doubt(Advice::CheckInputOrRequest),
            Cause::StalledUnseen | Cause::AcceptedUnseen => doubt(Advice::ShowMemory),
            Cause::QueuedElsewhere => doubt(Advice::AuditProducer),
            Cause::UpstreamUnseen => doubt(Advice::AuditUpstream),
            Cause::UnsteadyWhileStalled => doubt(Advice::WatchLonger { seconds: 60.0 }),
            Cause::RetainedUnsteadily => doubt(Advice::SendMore),
            Cause::SmallReplies => doubt(Advice::SendMuchMore),
            Cause::RetainedAPart => doubt(Advice::SendMoreForTrend),
            Cause::DrainUnfinished => doubt(Advice::SendLess),
        }
    }
}

/// Seconds in which a slow server fills the kernels' queues twice.
fn seconds_to_fill(signals: &Signals) -> f64 {
    let rate = (signals.read.max(signals.written) as f64 / signals.t.max(0.001)) as u64;
    (2.0 * signals.evidence.kernel_buffering as f64 / rate.max(1) as f64).clamp(30.0, 600.0)
}
