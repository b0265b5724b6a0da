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

use super::evidence::{Ended, Evidence, Point};
use super::facts::{Facts, answer_ratio};
use super::flowing::{crept, took_it_all, wants_more};
use super::limits::*;
use super::still::{is_at_rest, stood_still};
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
    pub more_would_help: bool,
}

impl Judgement {
    pub(super) fn new(verdict: Verdict, reason: String) -> Judgement {
        Judgement { verdict, reason, try_next: None, more_would_help: false }
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
        let Some(facts) = Facts::of(self) else { return self.budget };
        if facts.taken < self.budget || !wants_more(self, &facts) {
            return self.budget;
        }
        u64::MAX
    }

    /// Bytes from beyond the kernels that prove a queue when they are read out.
    pub fn queue_proof(&self) -> u64 {
        // A relay has two more sockets, whose kernels' queues are not the victim's.
        self.slack.saturating_add(self.slack / 4)
    }

    /// Whether the server hung up at once, without having taken anything.
    pub fn was_refused(&self) -> bool {
        let taken_nothing = self.points.iter().all(|point| point.taken() == 0 && point.given() == 0);
        self.ending.is_some_and(|ending| ending.how != Ended::Crashed && ending.t < 1.0) && taken_nothing
    }

    /// Output that was nobody's queue but the kernels' at the end of the attack: what was written and not read, and the
    /// answers to what the server had not read yet.
    pub fn in_kernels(&self) -> u64 {
        let Some(last) = self.points.last() else { return 0 };
        let unread = last.sample.produced.saturating_sub(last.taken()) as f64;
        let answers = answer_ratio(&self.points).unwrap_or(1.0) * unread;
        last.given().saturating_sub(last.sample.consumed).saturating_add(answers as u64)
    }

    /// Whether the verdict hangs on what the reading out gives: the server took everything and answered some of it.
    pub fn hangs_on_reading(&self) -> bool {
        let facts = Facts::of(self).filter(|_| self.repeats && self.ending.is_none());
        facts.is_some_and(|facts| facts.still < WATCH && facts.given > STILL_OUTPUT)
    }

    /// Memory at which the attack ends, given its last point: none that is larger is needed to prove anything.
    pub fn brake(&self, last: &Point) -> u64 {
        let base = self.points.first().and_then(|point| point.sample.server_memory).unwrap_or(0);
        let growth = last.sample.produced.saturating_mul(2).saturating_add(BRAKE).min(self.memory_limit);
        base.saturating_add(growth)
    }

    /// Whether neither input nor output moves now.
    pub fn is_still(&self) -> bool {
        Facts::of(self).is_some_and(|facts| facts.still >= SETTLE)
    }

    /// Whether the attack has shown enough, so that the victim may read.
    pub fn is_enough(&self) -> bool {
        let Some(facts) = Facts::of(self) else { return false };
        if self.ending.is_some() || facts.t >= self.patience || is_past_brake(self) {
            return true;
        }
        if facts.still >= WATCH {
            return is_at_rest(self, &facts) || facts.memory_lately.is_none();
        }
        self.repeats && facts.taken >= self.budget && !wants_more(self, &facts)
    }

    /// What the evidence says.
    pub fn judge(&self) -> Judgement {
        let Some(facts) = Facts::of(self) else {
            return Judgement::unsure(Verdict::Inconclusive, "nothing was recorded", "try again");
        };
        if let Some(judgement) = ended(self, &facts) {
            return judgement;
        }
        if is_past_brake(self) {
            return past_brake(&facts);
        }
        if facts.still >= WATCH {
            return stood_still(self, &facts);
        }
        if self.repeats && facts.taken >= ENOUGH_INPUT.min(self.budget) {
            return took_it_all(self, &facts);
        }
        crept(self, &facts)
    }
}

/// The server died or hung up.
fn ended(evidence: &Evidence, facts: &Facts) -> Option<Judgement> {
    let ending = evidence.ending?;
    let after = format!("after {} and {} of input", Seconds(ending.t), Bytes(facts.taken));
    if ending.how == Ended::Crashed {
        let grown = facts.peak.map(|peak| format!(", its memory up by {}", Bytes(peak))).unwrap_or_default();
        return Some(Judgement::new(Verdict::Crashes, format!("the server died {after}{grown}")));
    }
    // An answer that fits into the kernels and then FIN is how a request ends, not a defence.
    let just_answered = !evidence.repeats
        && ending.how == Ended::Closed
        && facts.given <= evidence.slack
        && facts.still < 1.0
        && !was_pressed_for(evidence, 1.0);
    if just_answered {
        return Some(Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the whole answer, {}, went into the kernel's queues and the server hung up",
                Bytes(facts.given)
            ),
            "ask for something larger than the kernel's queues, 64 MiB or endless",
        ));
    }
    let how = if ending.how == Ended::Reset { "reset the connection" } else { "closed the connection" };
    let mut judgement = Judgement::new(Verdict::Disconnects, format!("the server {how} {after}"));
    if facts.taken < LITTLE_INPUT && ending.t < 1.0 && !was_pressed_for(evidence, 0.1) {
        let said = evidence.read_out.as_ref().and_then(|read_out| read_out.said.as_deref());
        let said = said.map(|said| format!(" It said: \"{said}\".")).unwrap_or_default();
        judgement.try_next = Some(format!(
            "it hung up before anything had to wait, so perhaps it did not understand what it was sent.{said} \
             If it needs a greeting, give it one in a script's setup"
        ));
    }
    Some(judgement)
}

/// The attack was stopped for the memory that the server took. Where little memory was left to take, that is no proof: a
/// queue with a limit may be as large.
fn past_brake(facts: &Facts) -> Judgement {
    let growth = facts.growth.unwrap_or(0);
    let grew = format!(
        "memory grew by {} and was still growing when the attack was stopped, after {} of input",
        Bytes(growth),
        Bytes(facts.taken)
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
fn is_past_brake(evidence: &Evidence) -> bool {
    let last = evidence.points.last();
    last.is_some_and(|last| last.sample.server_memory.is_some_and(|memory| memory >= evidence.brake(last)))
}

/// Whether output waited for at least so many seconds before the connection ended.
fn was_pressed_for(evidence: &Evidence, seconds: f64) -> bool {
    let waiting: Vec<f64> = evidence
        .points
        .iter()
        .filter(|point| point.output_waiting() > 0)
        .map(|point| point.sample.t)
        .collect();
    waiting.first().zip(waiting.last()).is_some_and(|(first, last)| last - first >= seconds)
}
