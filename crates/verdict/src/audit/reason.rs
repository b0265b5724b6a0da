//! Each cause of an audit's verdict in one sentence, with its figures.

use echoctl_record::{Bytes, DisconnectKind, Seconds};

use super::cause::Cause;
use super::signals::Signals;

/// The sentence.
pub(super) fn reason(cause: Cause, signals: &Signals) -> String {
    let s = signals;
    let (read, written) = (Bytes(s.read()), Bytes(s.written()));
    let stalled = format!("nothing moved for {}", Seconds(s.stalled));
    let rise = Bytes(s.memory_while_stalled().map_or(0.0, |memory| memory.rise().max(0.0)) as u64);
    let accepted = format!("the server read {read} without pausing");
    let ratio = s.retained().unwrap_or(0.0);
    match cause {
        Cause::NothingRecorded => "nothing was recorded".to_owned(),
        Cause::Crashed => {
            let grown = s.peak().map(|peak| format!("; its memory had grown by {}", Bytes(peak)));
            format!("the server crashed {}{}", closed_after(s), grown.unwrap_or_default())
        }
        Cause::AnsweredAndClosed => format!(
            "the reply ({written}) is so small that it fit into the kernels' queues, and the server closed the connection"
        ),
        Cause::ClosedEarly => {
            let reply = s.evidence.drain.as_ref().and_then(|drain| drain.first_text.as_deref());
            let reply = reply.map(|text| format!(" (it replied \"{text}\")")).unwrap_or_default();
            format!(
                "{}, before anything had to wait: perhaps it did not understand its input{reply}",
                closed(s)
            )
        }
        Cause::Closed => closed(s),
        Cause::GrewBeyondALimit => capped(s),
        Cause::GrewToASmallCap => format!("{}; a queue with a limit may be as large", capped(s)),
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
            format!(
                "the server stopped {stopped}: {stalled}, and its memory stopped growing{}",
                size.unwrap_or_default()
            )
        }
        Cause::GrewWhileStalled => format!(
            "the server neither read nor wrote, and its memory rose steadily by at least {rise} in {}",
            Seconds(s.stalled)
        ),
        Cause::LevelWhileStalled => format!(
            "the server stopped reading after {read} of input: {stalled}, and its memory rose and fell without a trend"
        ),
        Cause::UnsteadyWhileStalled => {
            format!("{stalled}, and its memory rose by {rise} in {}, but not steadily", Seconds(s.stalled))
        }
        Cause::AcceptedToDisk => {
            format!("{accepted} and wrote {} to disk", Bytes(s.disk_written().unwrap_or(0)))
        }
        Cause::DrainedAQueue => format!(
            "{accepted}; {}, and {} more than the kernels had buffered was drained at the end",
            memory(s),
            Bytes(s.drained())
        ),
        Cause::Retained => format!("{accepted}, and {}: {ratio:.2} bytes per byte read", memory(s)),
        Cause::RetainedUnsteadily => {
            format!("{accepted}, and {}, but not steadily, and none of it was sent back", memory(s))
        }
        Cause::AcceptedUnseen => {
            format!("{accepted} and sent nothing back, but {}: it may retain everything", memory(s))
        }
        Cause::SmallReplies => format!(
            "{accepted}, but its replies ({written}) are so small that they fit into the kernels' queues"
        ),
        Cause::RetainedAPart => format!(
            "{accepted}; {} ({ratio:.2} bytes per byte read): it retains a part of its input or of shorter replies, or garbage \
             has not been collected yet",
            memory(s)
        ),
        Cause::DrainUnfinished => {
            format!("{accepted}; {}, but it was still sending when the time for draining was over", memory(s))
        }
        Cause::DroppedInput => {
            let drained = match s.drained() {
                0 => "no more".to_owned(),
                bytes => format!("only {} more", Bytes(bytes)),
            };
            format!(
                "{accepted}; {}, and {drained} than the kernels had buffered was drained at the end",
                memory(s)
            )
        }
        Cause::GrewSlowly => {
            let rise = s.memory_in_all().map_or(0.0, |memory| memory.rise());
            format!("the server's memory rose steadily by {} during {}", Bytes(rise as u64), moved(s))
        }
        Cause::MovedNearlyNothing | Cause::MovedLittle => format!(
            "only {}: too little to fill the kernels' queues and show what the server does then",
            moved(s)
        ),
    }
}

/// How the connection closed, and after what.
fn closed(s: &Signals) -> String {
    let is_reset = s.evidence.disconnect.is_some_and(|disconnect| disconnect.kind == DisconnectKind::Reset);
    let how = if is_reset { "reset" } else { "closed" };
    format!("the server {how} the connection {}", closed_after(s))
}

fn closed_after(s: &Signals) -> String {
    let t = s.evidence.disconnect.map_or(0.0, |disconnect| disconnect.t);
    // The last sample before a connection is closed is older than its last byte.
    format!("after {} and at least {} of input", Seconds(t), Bytes(s.read()))
}

fn capped(s: &Signals) -> String {
    format!(
        "its memory had grown by {} and was still growing when the attack was stopped after {} of input",
        Bytes(s.growth().unwrap_or(0)),
        Bytes(s.read())
    )
}

fn memory(s: &Signals) -> String {
    match s.growth() {
        Some(growth) => format!("its memory grew by {}", Bytes(growth)),
        None => "its memory is not visible".to_owned(),
    }
}

fn moved(s: &Signals) -> String {
    format!("{} of input and {} of output in {}", Bytes(s.read()), Bytes(s.written()), Seconds(s.t()))
}
