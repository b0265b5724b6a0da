//! Judges a server by what an attack on it recorded.
//!
//! ```text
//! the server crashed                                        crashes
//! it closed the connection                                  disconnects
//! nothing moved for 3.5 s         memory flat: bounded      memory rising: unbounded
//! it accepted everything …
//!   … and it was drained          unbounded                 from disk: spills
//!   … and it was not drained      memory flat: discards     memory rising: unbounded
//! ```
//!
//! The mistake that must not happen is calling an unbounded server safe. Therefore each safe verdict has conditions of its own;
//! where they are not all met the verdict is `inconclusive`, with the reason. Sizes decide nothing on their own: hundreds of
//! MiB can be a limit, and 20 can be a young leak.

mod accepting;
mod figures;
mod limits;
mod signals;
mod stalled;

use echoctl_record::{Bytes, DisconnectKind, Evidence, Point, Seconds, Verdict};

use crate::Judgement;
use accepting::{judge_accepting, judge_slow, wants_more};
pub use figures::{Figures, expected_echo, figures};
use limits::*;
use signals::{Signals, answer_ratio};
use stalled::{is_at_rest, judge_stalled};

/// Bytes of input that may be sent by now: the budget, or without limit where the budget did not suffice for a verdict.
pub fn allowance(evidence: &Evidence) -> u64 {
    let Some(signals) = Signals::of(evidence) else { return evidence.budget };
    if signals.server_read < evidence.budget || !wants_more(evidence, &signals) {
        return evidence.budget;
    }
    u64::MAX
}

/// Bytes beyond the kernels' buffering that prove a queue when they are drained.
pub fn proves_queue_above(evidence: &Evidence) -> u64 {
    // A relay has two more sockets, with kernel queues of their own.
    evidence.kernel_buffering.saturating_add(evidence.kernel_buffering / 4)
}

/// Whether the server closed the connection immediately, without having read anything.
pub fn was_refused(evidence: &Evidence) -> bool {
    let accepted_nothing =
        evidence.points.iter().all(|point| point.server_read() == 0 && point.server_written() == 0);
    evidence
        .disconnect
        .is_some_and(|disconnect| disconnect.kind != DisconnectKind::Crashed && disconnect.t < 1.0)
        && accepted_nothing
}

/// Output that only the kernels had buffered at the end of the attack: what was written and not read, and the replies to
/// what the server had not read yet.
pub fn in_kernels(evidence: &Evidence) -> u64 {
    let Some(last) = evidence.points.last() else { return 0 };
    let unread = last.sample.produced.saturating_sub(last.server_read()) as f64;
    let answers = answer_ratio(&evidence.points).unwrap_or(1.0) * unread;
    last.server_written().saturating_sub(last.sample.consumed).saturating_add(answers as u64)
}

/// Whether the verdict depends on the draining: the server accepted everything and replied to some of it.
pub fn depends_on_drain(evidence: &Evidence) -> bool {
    let signals = Signals::of(evidence).filter(|_| evidence.repeats && evidence.disconnect.is_none());
    signals.is_some_and(|signals| signals.stalled < WATCH && signals.server_written > GREETING_BYTES)
}

/// Memory at which the attack ends, given its last point. More is not needed for any verdict.
pub fn memory_cap(evidence: &Evidence, last: &Point) -> u64 {
    let base = evidence.points.first().and_then(|point| point.sample.server_memory).unwrap_or(0);
    let growth = last.sample.produced.saturating_mul(2).saturating_add(MEMORY_CAP).min(evidence.memory_limit);
    base.saturating_add(growth)
}

/// Whether neither input nor output is moving now.
pub fn is_stalled(evidence: &Evidence) -> bool {
    Signals::of(evidence).is_some_and(|signals| signals.stalled >= SETTLE)
}

/// Whether the evidence is sufficient, so that the slow reader may read.
pub fn is_enough(evidence: &Evidence) -> bool {
    let Some(signals) = Signals::of(evidence) else { return false };
    if evidence.disconnect.is_some() || signals.t >= evidence.max_duration || exceeds_memory_cap(evidence) {
        return true;
    }
    if signals.stalled >= WATCH {
        return is_at_rest(evidence, &signals) || signals.memory_lately.is_none();
    }
    evidence.repeats && signals.server_read >= evidence.budget && !wants_more(evidence, &signals)
}

/// The verdict that follows from the evidence.
pub fn judge(evidence: &Evidence) -> Judgement {
    let Some(signals) = Signals::of(evidence) else {
        return Judgement::with_advice(Verdict::Inconclusive, "nothing was recorded", "run it again");
    };
    if let Some(judgement) = judge_disconnect(evidence, &signals) {
        return judgement;
    }
    if exceeds_memory_cap(evidence) {
        return judge_at_memory_cap(&signals);
    }
    if signals.stalled >= WATCH {
        return judge_stalled(evidence, &signals);
    }
    if evidence.repeats && signals.server_read >= MIN_INPUT.min(evidence.budget) {
        return judge_accepting(evidence, &signals);
    }
    judge_slow(evidence, &signals)
}

/// The server crashed or closed the connection.
fn judge_disconnect(evidence: &Evidence, signals: &Signals) -> Option<Judgement> {
    let disconnect = evidence.disconnect?;
    // The last sample before a connection is closed is older than its last byte.
    let after =
        format!("after {} and at least {} of input", Seconds(disconnect.t), Bytes(signals.server_read));
    if disconnect.kind == DisconnectKind::Crashed {
        let grown =
            signals.peak.map(|peak| format!("; its memory had grown by {}", Bytes(peak))).unwrap_or_default();
        return Some(Judgement::new(Verdict::Crashes, format!("the server crashed {after}{grown}")));
    }
    // A reply that fits into the kernels' queues and then FIN is the regular end of a request, not a defence.
    let just_answered = !evidence.repeats
        && disconnect.kind == DisconnectKind::Closed
        && signals.server_written <= evidence.kernel_buffering
        && signals.stalled < 1.0
        && !was_under_pressure_for(evidence, 1.0);
    if just_answered {
        return Some(Judgement::with_advice(
            Verdict::Inconclusive,
            format!(
                "the reply ({}) is so small that it fit into the kernels' queues, and the server closed the connection",
                Bytes(signals.server_written)
            ),
            "request a reply that exceeds the kernels' queues, such as 64 MiB or an endless stream",
        ));
    }
    let how = if disconnect.kind == DisconnectKind::Reset {
        "reset the connection"
    } else {
        "closed the connection"
    };
    let mut judgement = Judgement::new(Verdict::Disconnects, format!("the server {how} {after}"));
    // The verdict stands, but so does the doubt: both are printed together.
    if signals.server_read < LITTLE_INPUT && disconnect.t < 1.0 && !was_under_pressure_for(evidence, 0.1) {
        let reply = evidence.drain.as_ref().and_then(|drain| drain.first_text.as_deref());
        let reply = reply.map(|text| format!(" (it replied \"{text}\")")).unwrap_or_default();
        judgement.reason +=
            &format!(", before anything had to wait: perhaps it did not understand its input{reply}");
        judgement.try_next = Some(
            "check that the input fits the server's protocol; if the protocol needs a greeting, add one to a script's setup"
                .to_owned(),
        );
    }
    Some(judgement)
}

/// The attack was stopped because of the server's memory. Where little memory was available, that proves nothing: a queue with a
/// limit may be as large.
fn judge_at_memory_cap(signals: &Signals) -> Judgement {
    let growth = signals.growth.unwrap_or(0);
    let grew = format!(
        "its memory had grown by {} and was still growing when the attack was stopped after {} of input",
        Bytes(growth),
        Bytes(signals.server_read)
    );
    if growth >= ENOUGH_GROWTH {
        return Judgement::new(Verdict::Unbounded, grew);
    }
    Judgement::with_advice(
        Verdict::Inconclusive,
        format!("{grew}; a queue with a limit may be as large"),
        "run it where more memory is available, or raise --memory-limit if it was given",
    )
}

/// Whether the server uses more memory than any reasonable limit.
fn exceeds_memory_cap(evidence: &Evidence) -> bool {
    let last = evidence.points.last();
    last.is_some_and(|last| {
        last.sample.server_memory.is_some_and(|memory| memory >= memory_cap(evidence, last))
    })
}

/// Whether output waited for at least `seconds` before the connection closed.
fn was_under_pressure_for(evidence: &Evidence, seconds: f64) -> bool {
    let waiting: Vec<f64> = evidence
        .points
        .iter()
        .filter(|point| point.output_waiting() > 0)
        .map(|point| point.sample.t)
        .collect();
    waiting.first().zip(waiting.last()).is_some_and(|(first, last)| last - first >= seconds)
}

#[cfg(test)]
mod tests;
