//! Each cause of an audit's verdict in one sentence, with its figures.

use echoctl_record::{Bytes, DisconnectKind, Seconds};

use super::cause::Cause;
use super::signals::Signals;

/// The sentence.
pub(super) fn reason(cause: Cause, signals: &Signals) -> String {
    let s = signals;
    let (read, written, drained) = (Bytes(s.read), Bytes(s.written), Bytes(s.drained()));
    let watched = Seconds(s.stalled);
    // What several sentences say.
    let stalled = format!("nothing moved for {watched}");
    let accepted = format!("the server read {read} without pausing");
    let moved = format!("{read} of input and {written} of output in {}", Seconds(s.t));
    let memory = match s.growth() {
        Some(growth) => format!("its memory grew by {}", Bytes(growth)),
        None => "its memory is not visible".to_owned(),
    };
    let rise = Bytes(s.memory_while_stalled().map_or(0.0, |memory| memory.rise().max(0.0)) as u64);
    let capped = format!(
        "its memory had grown by {} and was still growing when the attack was stopped after {read} of input",
        Bytes(s.growth().unwrap_or(0))
    );
    let (kind, t) = s.evidence.disconnect.map_or((DisconnectKind::Closed, 0.0), |end| (end.kind, end.t));
    // The last sample before a connection is closed is older than its last byte.
    let closed_after = format!("after {} and at least {read} of input", Seconds(t));
    let how = if kind == DisconnectKind::Reset { "reset" } else { "closed" };
    let closed = format!("the server {how} the connection {closed_after}");
    let ratio = s.retained().unwrap_or(0.0);
    match cause {
        Cause::NothingRecorded => "nothing was recorded".to_owned(),
        Cause::Crashed => {
            let grown = s.peak().map(|peak| format!("; its memory had grown by {}", Bytes(peak)));
            format!("the server crashed {closed_after}{}", grown.unwrap_or_default())
        }
        Cause::AnsweredAndClosed => format!(
            "the reply ({written}) is so small that it fit into the kernels' queues, and the server closed the connection"
        ),
        Cause::ClosedEarly => {
            let reply = s.evidence.drain.as_ref().and_then(|drain| drain.first_text.as_deref());
            let reply = reply.map(|text| format!(" (it replied \"{text}\")")).unwrap_or_default();
            format!("{closed}, before anything had to wait: perhaps it did not understand its input{reply}")
        }
        Cause::Closed => closed,
        Cause::GrewBeyondALimit => capped,
        Cause::GrewToASmallCap => format!("{capped}; a queue with a limit may be as large"),
        Cause::NeverUnderPressure => {
            let waiting = match s.in_queues() {
                0 => "the visible queues are empty".to_owned(),
                bytes => format!("only {} are in the kernels' queues, which have room left", Bytes(bytes)),
            };
            format!("{stalled}, but {waiting}: the server was never under pressure")
        }
        Cause::StoppedReadingUnseen => format!(
            "the server stopped reading after {read} of input: {stalled} (judged by its traffic; its memory is not visible)"
        ),
        Cause::StalledUnseen => {
            format!("{stalled}, but the server's memory is not visible, and it can grow without input")
        }
        Cause::SpilledWhileStalled => {
            let disk = s.disk_while_stalled().map_or(0.0, |disk| disk.rise());
            format!("{stalled}, while the server wrote {} to disk", Bytes(disk as u64))
        }
        Cause::QueuedElsewhere => format!(
            "the server's memory stayed flat, but on draining {} came immediately and the rest slowly: another process had \
             queued it",
            Bytes(s.backlog().unwrap_or(0))
        ),
        Cause::UpstreamUnseen => format!(
            "{stalled}, but the server may fetch from another server, whose memory is not visible here"
        ),
        Cause::AtRest => {
            let stopped = match s.evidence.repeats {
                true => format!("reading after {read} of input"),
                false => format!("producing after {written} of output"),
            };
            let size = s.growth().map(|growth| format!(" at {} above its initial size", Bytes(growth)));
            let size = size.unwrap_or_default();
            format!("the server stopped {stopped}: {stalled}, and its memory stopped growing{size}")
        }
        Cause::GrewWhileStalled => format!(
            "the server neither read nor wrote, and its memory rose steadily by at least {rise} in {watched}"
        ),
        Cause::LevelWhileStalled => format!(
            "the server stopped reading after {read} of input: {stalled}, and its memory rose and fell without a trend"
        ),
        Cause::UnsteadyWhileStalled => {
            format!("{stalled}, and its memory rose by {rise} in {watched}, but not steadily")
        }
        Cause::AcceptedToDisk => {
            format!("{accepted} and wrote {} to disk", Bytes(s.disk_written().unwrap_or(0)))
        }
        Cause::DrainedAQueue => {
            format!(
                "{accepted}; {memory}, and {drained} more than the kernels had buffered was drained at the end"
            )
        }
        Cause::Retained => format!("{accepted}, and {memory}: {ratio:.2} bytes per byte read"),
        Cause::RetainedUnsteadily => {
            format!("{accepted}, and {memory}, but not steadily, and none of it was sent back")
        }
        Cause::AcceptedUnseen => {
            format!("{accepted} and sent nothing back, but {memory}: it may retain everything")
        }
        Cause::SmallReplies => format!(
            "{accepted}, but its replies ({written}) are so small that they fit into the kernels' queues"
        ),
        Cause::RetainedAPart => format!(
            "{accepted}; {memory} ({ratio:.2} bytes per byte read): it retains a part of its input or of shorter replies, or \
             garbage has not been collected yet"
        ),
        Cause::DrainUnfinished => {
            format!("{accepted}; {memory}, but it was still sending when the time for draining was over")
        }
        Cause::DroppedInput => {
            let more = if s.drained() == 0 { "no more".to_owned() } else { format!("only {drained} more") };
            format!("{accepted}; {memory}, and {more} than the kernels had buffered was drained at the end")
        }
        Cause::GrewSlowly => {
            let rise = s.memory_in_all().map_or(0.0, |memory| memory.rise());
            format!("the server's memory rose steadily by {} during {moved}", Bytes(rise as u64))
        }
        Cause::MovedNearlyNothing | Cause::MovedLittle => {
            format!("only {moved}: too little to fill the kernels' queues and show what the server does then")
        }
    }
}
