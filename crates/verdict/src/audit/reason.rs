//! Each cause of an audit's verdict in one sentence, with its figures.

use echoctl_record::{Bytes, DisconnectKind, EchoFault, Evidence, Seconds, Service, count};

use super::cause::Cause;
use super::limits::COLLECTOR_CORES;
use super::signals::Signals;

/// The sentence.
pub(super) fn reason(cause: Cause, signals: &Signals) -> String {
    let s = signals;
    let (read, written, drained) = (Bytes(s.read), Bytes(s.written), Bytes(s.drained()));
    let made = Bytes(s.written_by_itself());
    let watched = Seconds(s.stalled);
    // What several sentences say.
    let stalled = match s.moved_while_stalled() {
        0 => format!("nothing moved for {watched}"),
        bytes => format!("only {} moved in {watched}", Bytes(bytes)),
    };
    let used_up = if s.is_behind_windows() { USED_UP } else { "" };
    let stopped = match s.evidence.repeats {
        true => format!("reading after {read} of input{used_up}"),
        false => format!("producing after {made} of output{used_up}"),
    };
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
    let how = match kind {
        DisconnectKind::Reset => "reset the connection",
        DisconnectKind::StreamsReset => "reset all streams",
        DisconnectKind::GoAway | DisconnectKind::Closed | DisconnectKind::Crashed => "closed the connection",
    };
    let said = s.evidence.closing.as_ref().map(|said| format!(" ({said})")).unwrap_or_default();
    let closed = format!("the server {how} {closed_after}{said}");
    let ratio = s.retained().unwrap_or(0.0);
    // Copies count, too.
    let marked = Bytes(s.evidence.census.map_or(0, |census| census.added()).min(s.read));
    let answer = answer(s.evidence).map(|text| format!(" ({text})")).unwrap_or_default();
    match cause {
        Cause::NothingRecorded => "nothing was recorded".to_owned(),
        Cause::Crashed => {
            let grown = s.peak().map(|peak| format!("; its memory had grown by {}", Bytes(peak)));
            format!("the server crashed {closed_after}{}", grown.unwrap_or_default())
        }
        Cause::AnsweredAndClosed => format!(
            "the reply ({written}) is so small that it fit into the kernels' queues, and the server closed the \
             connection{}",
            if said.is_empty() { answer } else { said }
        ),
        Cause::ClosedAtInputLimit => format!(
            "{closed}, without a reply, and that of a client that reads as well, but not that of one that sends little: it limits \
             its input"
        ),
        Cause::Refused => {
            format!("{closed}, before anything had to wait: perhaps it did not understand its input{answer}")
        }
        Cause::RefusesReadersToo => format!(
            "{closed}, and that of a client that sends the same and reads: not reading is not the reason{answer}"
        ),
        Cause::EndedAFlood => format!("{closed}: it does not answer a flood without end"),
        Cause::ClosedAfterMuch => format!(
            "{closed}, but its memory had grown by {} by then: if its limit is a time and not a size, a client that sends faster makes \
             it buffer more",
            Bytes(s.peak().unwrap_or(0))
        ),
        Cause::Closed => closed,
        Cause::ViolatedItsProtocol => {
            let violation = s.evidence.violation.as_deref().unwrap_or_default();
            format!(
                "the server violated its protocol after {read} of input, so the attack could not go on: {violation}"
            )
        }
        Cause::RanOutOfMemory => {
            let line = s.evidence.out_of_memory.as_deref().unwrap_or_default();
            format!("the server ran out of memory after {read} of input and {written} of output: \"{line}\"")
        }
        Cause::RetainedUntilItStopped => format!(
            "the server read {read} and {memory}, before it stopped for another reason than a client that does not read"
        ),
        Cause::Suspended => {
            format!(
                "the server was suspended (by a signal or a debugger) after {read} of input: it does not show what it does"
            )
        }
        Cause::GrowsAnyway => format!(
            "{memory} in {}, but it grew about as fast before the audit connected, and when the slow reader had gone: other work of the \
             server hides what it buffers",
            Seconds(s.t)
        ),
        Cause::WritesAnyway => format!(
            "the server wrote {} to disk in {}, but about as fast before the audit connected, and when the slow reader had gone: other \
             work of the server hides what it spills",
            Bytes(s.disk_written().unwrap_or(0)),
            Seconds(s.t)
        ),
        Cause::GrewWithoutPressure => format!(
            "the server's memory rose steadily by {rise} in {watched}, although its output fit into the kernels' queues"
        ),
        Cause::GrewBeyondALimit => capped,
        Cause::GrewToASmallCap => format!("{capped}; a queue with a limit may be as large"),
        Cause::NotAnswered => {
            let requests = s.evidence.responses.map_or(0, |responses| responses.requests);
            format!("{stalled}, and no response came to {} of HTTP/2", count(requests, "request"))
        }
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
        Cause::WindowsUnread => format!(
            "{stalled} after {read} of input: the slow reader could send no more, because it did not read that the server allows it, and \
             {memory}"
        ),
        Cause::StoppedForAnotherReason => format!(
            "{stalled} after {read} of input, but the kernels' queues had room for more output: the server waited for something \
             else than the slow reader"
        ),
        Cause::MayBePausing if s.own_movement().longest_gap > 0.0 => format!(
            "{stalled} after {made} of output, but the server may only pause: it paused for up to {} before",
            Seconds(s.own_movement().longest_gap)
        ),
        Cause::MayBePausing => format!(
            "{stalled} after {made} of output, but that may be the first of several bursts, or the server is slow"
        ),
        Cause::MayBeCollecting => format!(
            "{stalled} after {read} of input, but the server was busy all the time ({:.1} processor cores): perhaps a garbage \
             collector that finds nothing to free",
            s.busy_while_stalled().unwrap_or(0.0)
        ),
        Cause::MayReuseMemory => format!(
            "{}, and {memory}, but the server had been running before: it may use memory again that it freed earlier",
            if s.has_stalled() { &stalled } else { &accepted }
        ),
        Cause::StalledUndrained => {
            format!("{stalled}, but nothing was drained: whether the server goes on is not known")
        }
        Cause::DidNotGoOn if s.is_drained_to_its_end() => format!(
            "{stalled}, but when the slow reader read at last, the server closed the connection after hardly more than the kernels had \
             buffered: perhaps it disconnects a slow client after some time"
        ),
        Cause::DidNotGoOn => format!(
            "{stalled}, but when the slow reader read at last, the server sent no more than the kernels had buffered{}: it may have \
             stopped for another reason",
            if s.serves_others() { "" } else { ", and served no other client" }
        ),
        Cause::AtRest => {
            let size = s.growth().map(|growth| format!(" at {} above its initial size", Bytes(growth)));
            let size = size.unwrap_or_default();
            format!(
                "the server stopped {stopped}: {stalled}, and its memory stopped growing{size}{}",
                busy(s)
            )
        }
        Cause::GrewWhileStalled if s.is_behind_windows() => format!(
            "the server could send no more to the client, whose windows were used up, and its memory rose steadily by at least \
             {rise} in {watched}"
        ),
        Cause::GrewWhileStalled => {
            format!("{stalled}, and its memory rose steadily by at least {rise} meanwhile")
        }
        Cause::LevelWhileStalled => {
            format!(
                "the server stopped {stopped}: {stalled}, and its memory rose and fell without a trend{}",
                busy(s)
            )
        }
        Cause::UnsteadyWhileStalled if rise.0 == 0 => {
            format!("{stalled}, and its memory rose and fell meanwhile, too much to show a trend")
        }
        Cause::UnsteadyWhileStalled => {
            format!("{stalled}, and its memory rose by {rise} meanwhile, but not steadily")
        }
        Cause::AcceptedToFiles => {
            format!("{accepted} and wrote {} to files", Bytes(s.in_files()))
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
        Cause::MarkedInMemory => format!(
            "{accepted}, and {marked} of it are in its memory, which grew by {}",
            Bytes(s.growth().unwrap_or(0))
        ),
        Cause::MarkedOrGarbage => format!(
            "{accepted}, and {marked} of it are in its memory: a queue, or garbage that has not been collected yet"
        ),
        Cause::NotJoined => format!(
            "the server read {read} from the publisher and sent {written} to the slow reader, which perhaps does not receive what \
             is published"
        ),
        Cause::AnsweredOnce => format!(
            "{accepted}, but sent only {written} at first and nothing more: perhaps it did not understand its input{answer}"
        ),
        Cause::AcceptedUnseen => {
            format!("{accepted} and sent nothing back, but {memory}: it may retain everything")
        }
        Cause::SendsByItself => format!(
            "{accepted}, but it also sends without being asked ({} per second), so that what was drained at the end ({drained}) need not \
             be replies",
            Bytes(s.evidence.unprompted.unwrap_or(0))
        ),
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
        Cause::AcceptedUndrained => {
            format!(
                "{accepted}; {memory}, but nothing was drained: whether it dropped its input is not known"
            )
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
        Cause::StarvedOthers => unserved(s, "while the slow reader did not read", |service| service.during),
        Cause::DeadAfterwards => unserved(s, "after the slow reader had gone", |service| service.after),
        Cause::CorruptedAnEcho => corrupted(s),
        Cause::StaysStuck => format!(
            "the server held the slow reader back, and when that read at last, its echo ended after {}: it never read the rest, of which {} \
             wait in its kernel",
            Bytes(s.taken()),
            Bytes(s.left_unread())
        ),
        Cause::Spilled => format!(
            "the server read {read} and wrote {written}, while {} were written to files",
            Bytes(s.in_files())
        ),
    }
}

/// What held the server back above the kernels' queues.
const USED_UP: &str = " because the client's windows are used up";

/// The status of the server's answer, if that is not success, or the first bytes that it sent: to the slow reader or to the client that reads.
fn answer(evidence: &Evidence) -> Option<String> {
    let status = evidence.responses.and_then(|responses| responses.status).filter(|status| *status != 200);
    let drained = evidence.drain.as_ref().and_then(|drain| drain.first_text.as_deref());
    let first = || drained.or_else(|| evidence.control.as_ref()?.first_text.as_deref());
    match status {
        Some(status) => Some(format!("it answered HTTP/2 {status}")),
        None => first().map(|text| format!("it answered \"{text}\"")),
    }
}

/// That a server that waits uses the processor all the same, which a limit of memory does not excuse.
fn busy(signals: &Signals) -> String {
    let cores = signals.busy_while_stalled().filter(|cores| *cores >= COLLECTOR_CORES);
    cores.map_or(String::new(), |cores| {
        format!(
            ", but it was busy all the time ({cores:.1} processor cores): perhaps a loop that tries to write"
        )
    })
}

/// What is wrong with an echo, and where.
fn corrupted(signals: &Signals) -> String {
    let drain = signals.evidence.drain.as_ref();
    let at = drain.and_then(|drain| drain.damaged_at).unwrap_or(0);
    let fault = drain.and_then(|drain| drain.fault);
    let how = match fault {
        Some(EchoFault::Torn) => {
            return format!(
                "the server dropped parts of messages, so that the rest cannot be read: its echo is wrong from byte {at} on"
            );
        }
        Some(EchoFault::Lost) => "bytes are missing",
        Some(EchoFault::Repeated) => "bytes came twice",
        Some(EchoFault::Changed) | None => "other bytes came",
    };
    format!("the server held the slow reader back, but its echo is wrong from byte {at} on: {how}")
}

/// Which healthy clients were not served, and when.
fn unserved(signals: &Signals, when: &str, answer: impl Fn(&Service) -> Option<bool>) -> String {
    let Some(bystanders) = signals.evidence.bystanders else { return String::new() };
    let has_begun =
        bystanders.newcomer.is_some_and(|newcomer| newcomer.began && answer(&newcomer) == Some(false));
    let newcomer = if has_begun { "a new one, whose reply began and did not go on" } else { "a new one" };
    let kinds = [
        (bystanders.active, "one that asks repeatedly"),
        (bystanders.idle, "one that had been idle"),
        (bystanders.newcomer, newcomer),
        (bystanders.subscriber, "one that gets what the slow reader gets"),
    ];
    let is_unserved =
        |service: &Option<Service>| service.as_ref().is_some_and(|it| answer(it) == Some(false));
    let unserved = || kinds.iter().filter(|(service, _)| is_unserved(service));
    let names: Vec<&str> = unserved().map(|(_, name)| *name).collect();
    let are_refused = unserved().any(|(service, _)| service.as_ref().is_some_and(|it| it.refused));
    let nothing = if are_refused { "no reply but errors" } else { "no reply" };
    let (limit, names) = (Seconds(bystanders.limit), names.join(", "));
    format!("{when}, other clients got {nothing} within {limit}: {names}")
}
