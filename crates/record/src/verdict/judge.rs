//! The rule: from evidence to a verdict, with its reason.
//!
//! ```text
//! did the server die?                                            crashes
//! did it hang up?                                                disconnects
//! did input and output stand still for 3.5 s?   memory flat      bounded        memory rising       unbounded
//! did it take everything?   it came back        unbounded        came back late from disk: spills
//!                           it did not          memory flat      discards       memory rising       unbounded
//! ```
//!
//! The mistake that must not happen is calling an unbounded server safe, so that each safe verdict has conditions of its
//! own, and where they are not all met the answer is `inconclusive`, with the reason. Sizes alone decide nothing:
//! hundreds of MiB can be a bound, and 20 can be a leak that is young.

use super::accepting::{judge_accepting, judge_slow, wants_more};
use super::evidence::{DisconnectKind, Evidence, Point};
use super::limits::*;
use super::signals::{Signals, answer_ratio};
use super::stalled::{is_at_rest, judge_stalled};
use crate::{Bytes, Seconds, Verdict};

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one sentence with its figures.
    pub reason: String,
    /// What to try when the verdict is `slow` or `inconclusive`.
    pub try_next: Option<String>,
    /// Whether a second attack after the reading would tell more.
    pub wants_second_pass: bool,
}

impl Judgement {
    pub(super) fn new(verdict: Verdict, reason: String) -> Judgement {
        Judgement { verdict, reason, try_next: None, wants_second_pass: false }
    }

    pub(super) fn unsure(
        verdict: Verdict,
        reason: impl Into<String>,
        try_next: impl Into<String>,
    ) -> Judgement {
        Judgement { try_next: Some(try_next.into()), ..Judgement::new(verdict, reason.into()) }
    }
}

impl Evidence {
    /// Bytes of input that may be sent by now: the budget, and more of it while that decides nothing.
    pub fn allowance(&self) -> u64 {
        let Some(signals) = Signals::of(self) else { return self.budget };
        if signals.server_read < self.budget || !wants_more(self, &signals) {
            return self.budget;
        }
        u64::MAX
    }

    /// Bytes from beyond the kernels that prove a queue when they are read out.
    pub fn proves_queue_above(&self) -> u64 {
        // A relay has two more sockets, whose kernels' queues are not the victim's.
        self.kernel_buffering.saturating_add(self.kernel_buffering / 4)
    }

    /// Whether the server hung up at once, without having taken anything.
    pub fn was_refused(&self) -> bool {
        let accepted_nothing =
            self.points.iter().all(|point| point.server_read() == 0 && point.server_written() == 0);
        self.disconnect
            .is_some_and(|disconnect| disconnect.kind != DisconnectKind::Crashed && disconnect.t < 1.0)
            && accepted_nothing
    }

    /// Output that was nobody's queue but the kernels' at the end of the attack: what was written and not read, and the
    /// answers to what the server had not read yet.
    pub fn in_kernels(&self) -> u64 {
        let Some(last) = self.points.last() else { return 0 };
        let unread = last.sample.produced.saturating_sub(last.server_read()) as f64;
        let answers = answer_ratio(&self.points).unwrap_or(1.0) * unread;
        last.server_written().saturating_sub(last.sample.consumed).saturating_add(answers as u64)
    }

    /// Whether the verdict hangs on what the reading out gives: the server took everything and answered some of it.
    pub fn depends_on_drain(&self) -> bool {
        let signals = Signals::of(self).filter(|_| self.repeats && self.disconnect.is_none());
        signals.is_some_and(|signals| signals.stalled < WATCH && signals.server_written > GREETING_BYTES)
    }

    /// Memory at which the attack ends, given its last point: none that is larger is needed to prove anything.
    pub fn memory_cap(&self, last: &Point) -> u64 {
        let base = self.points.first().and_then(|point| point.sample.server_memory).unwrap_or(0);
        let growth = last.sample.produced.saturating_mul(2).saturating_add(MEMORY_CAP).min(self.memory_limit);
        base.saturating_add(growth)
    }

    /// Whether neither input nor output moves now.
    pub fn is_stalled(&self) -> bool {
        Signals::of(self).is_some_and(|signals| signals.stalled >= SETTLE)
    }

    /// Whether the attack has shown enough, so that the victim may read.
    pub fn is_enough(&self) -> bool {
        let Some(signals) = Signals::of(self) else { return false };
        if self.disconnect.is_some() || signals.t >= self.max_duration || exceeds_memory_cap(self) {
            return true;
        }
        if signals.stalled >= WATCH {
            return is_at_rest(self, &signals) || signals.memory_lately.is_none();
        }
        self.repeats && signals.server_read >= self.budget && !wants_more(self, &signals)
    }

    /// What the evidence says.
    pub fn judge(&self) -> Judgement {
        let Some(signals) = Signals::of(self) else {
            return Judgement::unsure(Verdict::Inconclusive, "nothing was recorded", "try again");
        };
        if let Some(judgement) = judge_disconnect(self, &signals) {
            return judgement;
        }
        if exceeds_memory_cap(self) {
            return judge_at_memory_cap(&signals);
        }
        if signals.stalled >= WATCH {
            return judge_stalled(self, &signals);
        }
        if self.repeats && signals.server_read >= ENOUGH_INPUT.min(self.budget) {
            return judge_accepting(self, &signals);
        }
        judge_slow(self, &signals)
    }
}

/// The server died or hung up.
fn judge_disconnect(evidence: &Evidence, signals: &Signals) -> Option<Judgement> {
    let disconnect = evidence.disconnect?;
    let after = format!("after {} and {} of input", Seconds(disconnect.t), Bytes(signals.server_read));
    if disconnect.kind == DisconnectKind::Crashed {
        let grown =
            signals.peak.map(|peak| format!(", its memory up by {}", Bytes(peak))).unwrap_or_default();
        return Some(Judgement::new(Verdict::Crashes, format!("the server died {after}{grown}")));
    }
    // An answer that fits into the kernels and then FIN is how a request ends, not a defence.
    let just_answered = !evidence.repeats
        && disconnect.kind == DisconnectKind::Closed
        && signals.server_written <= evidence.kernel_buffering
        && signals.stalled < 1.0
        && !was_under_pressure_for(evidence, 1.0);
    if just_answered {
        return Some(Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the whole answer, {}, went into the kernel's queues and the server hung up",
                Bytes(signals.server_written)
            ),
            "ask for something larger than the kernel's queues, 64 MiB or endless",
        ));
    }
    let how = if disconnect.kind == DisconnectKind::Reset {
        "reset the connection"
    } else {
        "closed the connection"
    };
    let mut judgement = Judgement::new(Verdict::Disconnects, format!("the server {how} {after}"));
    if signals.server_read < LITTLE_INPUT && disconnect.t < 1.0 && !was_under_pressure_for(evidence, 0.1) {
        let said = evidence.drain.as_ref().and_then(|drain| drain.first_text.as_deref());
        let said = said.map(|said| format!(" It first_text: \"{said}\".")).unwrap_or_default();
        judgement.try_next = Some(format!(
            "it hung up before anything had to wait, so perhaps it did not understand what it was sent.{said} \
             If it needs a greeting, give it one in a script's setup"
        ));
    }
    Some(judgement)
}

/// The attack was stopped for the memory that the server took. Where little memory was left to take, that is no proof: a
/// queue with a limit may be as large.
fn judge_at_memory_cap(signals: &Signals) -> Judgement {
    let growth = signals.growth.unwrap_or(0);
    let grew = format!(
        "memory grew by {} and was still growing when the attack was stopped, after {} of input",
        Bytes(growth),
        Bytes(signals.server_read)
    );
    if growth >= ENOUGH_GROWTH {
        return Judgement::new(Verdict::Unbounded, grew);
    }
    Judgement::unsure(
        Verdict::Inconclusive,
        format!("{grew}: a queue with a limit may be as large"),
        "run it where more memory is left, or raise --memory-limit if it was given",
    )
}

/// More memory than any bound that is still worth the name.
fn exceeds_memory_cap(evidence: &Evidence) -> bool {
    let last = evidence.points.last();
    last.is_some_and(|last| {
        last.sample.server_memory.is_some_and(|memory| memory >= evidence.memory_cap(last))
    })
}

/// Whether output waited for at least so many seconds before the connection ended.
fn was_under_pressure_for(evidence: &Evidence, seconds: f64) -> bool {
    let waiting: Vec<f64> = evidence
        .points
        .iter()
        .filter(|point| point.output_waiting() > 0)
        .map(|point| point.sample.t)
        .collect();
    waiting.first().zip(waiting.last()).is_some_and(|(first, last)| last - first >= seconds)
}
