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
    /// It closed each connection after a certain amount of input, silently.
    ClosedAtInputLimit,
    /// It closed the connection before anything had to wait.
    Refused,
    /// It closed the connection of a client that reads as well.
    RefusesReadersToo,
    /// It ended a flood of frames.
    EndedAFlood,
    /// It closed the connection, and had buffered more by then than any queue should hold.
    ClosedAfterMuch,
    /// It closed the connection.
    Closed,
    /// It violated TLS or HTTP/2.
    ViolatedItsProtocol,
    /// It reported that it ran out of memory.
    RanOutOfMemory,
    /// Its memory grew beyond any reasonable limit.
    GrewBeyondALimit,
    /// Its memory grew up to a cap as small as a reasonable limit.
    GrewToASmallCap,
    /// It stopped for another reason than the slow reader, and had buffered much of its input by then.
    RetainedUntilItStopped,
    /// Its memory grows as fast without a client.
    GrowsAnyway,
    /// It writes as much to disk without a client.
    WritesAnyway,
    /// It was suspended.
    Suspended,
    /// Nothing waited in the kernels, and its memory rose steadily all the same.
    GrewWithoutPressure,
    /// Nothing moved, and none of several requests was answered.
    NotAnswered,
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
    /// It read all that the slow reader could send without reading itself.
    WindowsUnread,
    /// It stopped reading although its output had room in the kernels' queues.
    StoppedForAnotherReason,
    /// It produces in bursts or slowly, so that the stall may be a pause.
    MayBePausing,
    /// It stalled with flat memory, but was busy all the time: perhaps a collector that finds nothing to free.
    MayBeCollecting,
    /// It stalled or accepted everything with flat memory, but may have used memory that it had before.
    MayReuseMemory,
    /// It stalled with flat memory, and it is not known what it does once it is read.
    StalledUndrained,
    /// It stalled with flat memory, but did not go on once it was read.
    DidNotGoOn,
    /// It stalled, and its memory stopped growing.
    AtRest,
    /// It stalled, and its memory rose steadily.
    GrewWhileStalled,
    /// It stalled for long, and its memory rose and fell without a trend.
    LevelWhileStalled,
    /// It stalled, and its memory rose, but not steadily.
    UnsteadyWhileStalled,
    /// It accepted its input and wrote it to disk.
    AcceptedToFiles,
    /// It accepted its input, and more was drained than the kernels can have buffered.
    DrainedAQueue,
    /// It accepted its input, and its memory grew steadily by what it read.
    Retained,
    /// The same, but not steadily.
    RetainedUnsteadily,
    /// It accepted its input, which is in its memory although that hardly grew.
    MarkedInMemory,
    /// The same, but it may be garbage that has not been collected yet.
    MarkedOrGarbage,
    /// It accepted its input from a publisher, and sent nothing to the slow reader.
    NotJoined,
    /// It accepted its input, and sent one small answer at first and nothing more.
    AnsweredOnce,
    /// It accepted its input and sent nothing back, and its memory is not visible.
    AcceptedUnseen,
    /// It accepted its input, but sends without being asked, so that what was drained need not be replies.
    SendsByItself,
    /// It accepted its input, and the kernels' queues hold its small replies.
    SmallReplies,
    /// It accepted its input, and its memory grew by a small part of it.
    RetainedAPart,
    /// It accepted its input, and was still sending when the draining stopped.
    DrainUnfinished,
    /// It accepted its input with flat memory, and it is not known what comes once it is read.
    AcceptedUndrained,
    /// It accepted its input, and neither its memory grew nor did anything come back.
    DroppedInput,
    /// It reads or produces slowly, and its memory rose steadily.
    GrewSlowly,
    /// It moved hardly more than a greeting.
    MovedNearlyNothing,
    /// It moved too little to fill the kernels' queues.
    MovedLittle,
    /// It did not serve another client during the attack.
    StarvedOthers,
    /// It did not serve another client after the attack.
    DeadAfterwards,
    /// It sent other bytes back than it got.
    CorruptedAnEcho,
    /// It held an echo back, and did not go on once that was read.
    StaysStuck,
    /// It wrote what the slow reader does not read to files.
    Spilled,
}

impl Cause {
    /// The verdict that follows from it, and what to try next where that is not certain.
    pub(super) fn conclusion(self, signals: &Signals) -> (Verdict, Option<Advice>) {
        let doubt = |advice: Advice| (Verdict::Inconclusive, Some(advice));
        match self {
            Cause::AtRest | Cause::StoppedReadingUnseen | Cause::LevelWhileStalled | Cause::WindowsUnread => {
                (Verdict::Bounded, None)
            }
            Cause::Closed | Cause::ClosedAtInputLimit | Cause::EndedAFlood => (Verdict::Disconnects, None),
            Cause::DroppedInput => (Verdict::Discards, None),
            Cause::AcceptedToFiles | Cause::SpilledWhileStalled | Cause::Spilled => (Verdict::Spills, None),
            Cause::StarvedOthers | Cause::DeadAfterwards => (Verdict::Starves, None),
            Cause::CorruptedAnEcho | Cause::StaysStuck => (Verdict::Corrupts, None),
            Cause::RanOutOfMemory
            | Cause::GrewBeyondALimit
            | Cause::RetainedUntilItStopped
            | Cause::GrewWithoutPressure
            | Cause::GrewWhileStalled
            | Cause::GrewSlowly
            | Cause::DrainedAQueue
            | Cause::Retained
            | Cause::MarkedInMemory => (Verdict::Unbounded, None),
            Cause::Crashed => (Verdict::Crashes, None),
            Cause::MovedNearlyNothing => {
                (Verdict::Slow, Some(Advice::CheckInputOrWatchLonger { seconds: seconds_to_fill(signals) }))
            }
            Cause::MovedLittle => {
                (Verdict::Slow, Some(Advice::WatchLonger { seconds: seconds_to_fill(signals) }))
            }
            Cause::MayBePausing => {
                (Verdict::Slow, Some(Advice::WatchLonger { seconds: seconds_to_watch(signals) }))
            }
            Cause::NothingRecorded | Cause::StalledUndrained | Cause::AcceptedUndrained => {
                doubt(Advice::RunAgain)
            }
            Cause::Refused | Cause::RefusesReadersToo | Cause::AnsweredOnce => {
                doubt(Advice::UseServersProtocol)
            }
            Cause::ClosedAfterMuch => doubt(Advice::CompareRates),
            Cause::AnsweredAndClosed => doubt(Advice::RequestLargerReply),
            Cause::GrewToASmallCap => doubt(Advice::GiveMoreMemory),
            Cause::GrowsAnyway | Cause::WritesAnyway => doubt(Advice::AuditAtRest),
            Cause::Suspended => doubt(Advice::ResumeServer),
            Cause::NeverUnderPressure => doubt(Advice::CheckInputOrRequest),
            Cause::NotAnswered => doubt(Advice::CheckRequest),
            Cause::ViolatedItsProtocol => doubt(Advice::CheckProtocol),
            Cause::StalledUnseen | Cause::AcceptedUnseen => doubt(Advice::ShowMemory),
            Cause::QueuedElsewhere => doubt(Advice::AuditProducer),
            Cause::UpstreamUnseen => doubt(Advice::AuditUpstream),
            Cause::DidNotGoOn if signals.is_drained_to_its_end() => {
                doubt(Advice::WatchLonger { seconds: 60.0 })
            }
            Cause::StoppedForAnotherReason | Cause::DidNotGoOn => doubt(Advice::CheckServer),
            Cause::UnsteadyWhileStalled | Cause::MayBeCollecting => {
                doubt(Advice::WatchLonger { seconds: 60.0 })
            }
            Cause::MayReuseMemory => doubt(Advice::AuditFreshProcess),
            Cause::RetainedUnsteadily | Cause::MarkedOrGarbage => doubt(Advice::SendMore),
            Cause::NotJoined => doubt(Advice::CheckSubscription),
            Cause::SendsByItself => doubt(Advice::AuditWhatItSends),
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

/// Seconds after which silence is more than a pause.
fn seconds_to_watch(signals: &Signals) -> f64 {
    signals.seconds_to_watch().clamp(30.0, 3600.0)
}
