//! Each cause of a flood's verdict in one sentence, with its figures.

use std::ops::RangeInclusive;

use echoctl_record::{Bytes, Sample, Seconds, Summary, count};

use super::OtherInput;
use super::cause::Cause;
use super::signals::Signals;
use super::stall::{PRESSURE_SECONDS, STALL_SECONDS};

/// The sentence; `by_audit` is that of an audit.
pub(super) fn reason(cause: Cause, signals: &Signals, by_audit: &str) -> String {
    let s = signals;
    let (read, growth) = (Bytes(s.read), Bytes(s.growth()));
    let (longest_wait, last_wait) = (Seconds(s.observed.longest_wait), Seconds(s.stall.stalled_for));
    let (memory, others) = (memory(s), others(s));
    // The client's kernel knows what the server's kernel has acknowledged, and not what the server has read of it.
    let (stopped_reading, has_read) = match s.sees_server {
        true => ("the server stopped reading", "the server read"),
        false => ("the server's kernel accepted no more", "the server's kernel accepted"),
    };
    match cause {
        Cause::Audit(_) => by_audit.to_owned(),
        Cause::StoppedReading => format!(
            "{stopped_reading} after {read} of input and held the producer back for {longest_wait}{memory}"
        ),
        Cause::ReadAsFastAsReplies => {
            let is_most = s.stall.pressed_for >= MOST_OF_RUN * s.duration;
            let span = if is_most { "run".into() } else { format!("last {}", Seconds(s.stall.pressed_for)) };
            format!(
                "the server read only as fast as its replies were read: input waited for most of the {span}, and the producer \
                 was held back for at most {longest_wait} at a time{memory}"
            )
        }
        Cause::LostReplies => format!(
            "the server read on without its reader, and its memory grew by only {growth}; when its replies were read, {} of its input \
             had none",
            Bytes(s.lost)
        ),
        Cause::GrewWithInput => {
            let pace = match s.was_held_back() {
                true => format!(", although it held the producer back for up to {longest_wait}"),
                false => " without a pause".to_owned(),
            };
            let share = match s.has_other_senders() {
                true => format!(", while {others}"),
                false => format!(": {}", retained(s.growth() as f64 / s.read.max(1) as f64)),
            };
            format!("{has_read} {read}{pace}, and its memory grew by {growth}{share}")
        }
        Cause::GrewWithOthers => format!(
            "the server's memory grew by {growth}, but it read only {read} from this flood, while {others}"
        ),
        Cause::StoppedForAnotherReason => format!(
            "{stopped_reading} after {read} of input, but its output had room in the kernel: it waits for something else than \
             its reader"
        ),
        Cause::MayBePausing => format!(
            "{stopped_reading} after {read} of input and held the producer back for {last_wait}, but it had paused for {} \
             before, and may only pause again",
            Seconds(s.stall.pause)
        ),
        Cause::DidNotGoOn => format!(
            "{stopped_reading} after {read} of input, and neither read nor wrote once its replies were read: it may be \
             deadlocked"
        ),
        Cause::BufferedThenStopped => {
            let grown = if s.sees_memory() { format!(" (memory grew by {growth})") } else { String::new() };
            format!(
                "the server buffered {read} of input{grown}, and then held the producer back for {last_wait}: a high limit, or a \
                 pause"
            )
        }
        Cause::StoppedBriefly => {
            // The longest wait is the figure that everything else shows, if it is the one at the end.
            let wait = if s.observed.longest_wait < STALL_SECONDS { longest_wait } else { last_wait };
            format!(
                "{stopped_reading} after {read} of input and held the producer back, but for only {wait}; it takes \
                 {STALL_SECONDS:.0} s to tell a limit from a pause"
            )
        }
        Cause::MemoryUnseen => {
            format!("{has_read} {read}, and its memory is not visible: it may buffer all of it")
        }
        Cause::NotInMemory => format!(
            "the server read {} more than it wrote back, but its memory grew by only {growth}: it drops replies, does not echo, \
             or reuses memory that it had before",
            Bytes(s.unwritten)
        ),
        Cause::HeldBackUnproven => format!(
            "the producer was held back for at most {longest_wait}, and the server did not show for {PRESSURE_SECONDS:.1} s that \
             it buffers no more than before; it read {read}, and its memory grew by {growth}"
        ),
        Cause::FitsTheKernels => format!(
            "only {} were pending at the end, which the kernel queues can hold: the server was not put to the test",
            Bytes(s.in_flight)
        ),
        Cause::BufferedSome => format!(
            "{has_read} {read}, and its memory grew by {growth}: too much for a server that buffers nothing, and too little \
             for one that buffers everything"
        ),
    }
}

/// What the recordings of both hosts show of a client that was held back, in place of the reason of a client that did not see the
/// server. `None` if it was not held back.
pub fn joined_reason(summary: &Summary, samples: &[Sample]) -> Option<String> {
    let peak = samples.iter().max_by_key(|sample| sample.in_flight())?;
    let read = Bytes(peak.server_read?);
    let memory = match summary.server_memory_growth {
        Some(0) => "; its memory did not grow".to_owned(),
        Some(growth) => format!("; its memory grew by at most {}", Bytes(growth)),
        None => String::new(),
    };
    let waited = Seconds(summary.stalled_seconds);
    (summary.stalled_seconds > 0.0).then(|| {
        let sent = Bytes(peak.produced);
        format!("the server had read {read} of {sent} when the producer was held back, for {waited}{memory}")
    })
}

/// What memory adds to a bounded verdict.
fn memory(s: &Signals) -> String {
    match s.observed.growth {
        Some(growth) if s.has_other_senders() => {
            format!("; its memory grew by {}, while {}", Bytes(growth), others(s))
        }
        Some(0) => "; its memory did not grow".to_owned(),
        Some(growth) => format!("; its memory grew by at most {}", Bytes(growth)),
        None => "; its memory is not visible, so this rests on the socket queues".to_owned(),
    }
}

fn others(s: &Signals) -> String {
    let OtherInput { received, connections } = s.observed.others;
    format!("other clients sent {} over {}", Bytes(received), count(connections, "connection"))
}

/// How much memory the input takes, in words.
fn retained(ratio: f64) -> String {
    match NEARLY_ALL.contains(&ratio) {
        true => "nearly all that it read stayed in its memory".to_owned(),
        false => format!("{ratio:.2} bytes of memory for each byte that it read"),
    }
}

/// Fraction of a run that is most of it.
const MOST_OF_RUN: f64 = 0.8;

/// Bytes of memory per byte read that show that the input stays in memory: all but a few MiB in the kernel queues.
const NEARLY_ALL: RangeInclusive<f64> = 0.85..=1.05;
