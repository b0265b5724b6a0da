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

use super::evidence::{Ended, Evidence, Point, ReadOut};
use super::facts::{Facts, answer_ratio};
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
    fn new(verdict: Verdict, reason: String) -> Judgement {
        Judgement { verdict, reason, try_next: None, more_would_help: false }
    }

    fn unsure(verdict: Verdict, reason: impl Into<String>, try_next: impl Into<String>) -> Judgement {
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
        self.slack + self.slack / 4
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
        last.given().saturating_sub(last.sample.consumed) + answers as u64
    }

    /// Memory at which the attack ends, given its last point: none that is larger is needed to prove anything.
    pub fn brake(&self, last: &Point) -> u64 {
        let base = self.points.first().and_then(|point| point.sample.server_memory).unwrap_or(0);
        let growth = last.sample.produced.saturating_mul(2).saturating_add(BRAKE).min(self.memory_limit);
        base.saturating_add(growth)
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
            return Judgement::new(
                Verdict::Unbounded,
                format!(
                    "memory grew by {} and was still growing when the attack was stopped, after {} of input",
                    Bytes(facts.growth.unwrap_or(0)),
                    Bytes(facts.taken)
                ),
            );
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

/// Input and output stood still for long enough.
fn stood_still(evidence: &Evidence, facts: &Facts) -> Judgement {
    let still = format!("nothing moved for {}", Seconds(facts.still));
    if !facts.pressed {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!("{still}, but no byte waits in any queue: the server was never put under pressure"),
            "check the script: a request that the server answers at length, or one sent again and again",
        );
    }
    let Some(memory) = facts.memory_while_still else {
        return unseen_memory(evidence, facts, &still);
    };
    if let Some(disk) = facts.disk_while_still
        && disk.rise() >= SURE_RISE
        && disk.is_steady()
        && memory.rise() <= disk.rise() / 8.0
    {
        return Judgement::new(
            Verdict::Spills,
            format!("{still}, while the server went on writing to disk: {}", Bytes(disk.rise() as u64)),
        );
    }
    if is_at_rest(evidence, facts) {
        if let Some(backlog) = evidence.read_out.as_ref().and_then(backlog_of_a_stream)
            && !evidence.repeats
        {
            return Judgement::unsure(
                Verdict::Inconclusive,
                format!(
                    "memory stayed flat, but {} came back at once and the rest slowly: somebody had queued it",
                    Bytes(backlog)
                ),
                "give --pid of the process that makes the data, or audit it directly",
            );
        }
        if evidence.hidden_upstream && (!evidence.repeats || facts.given > 4 * facts.taken) {
            return Judgement::unsure(
                Verdict::Inconclusive,
                format!(
                    "{still}, but the server may fetch from another one, whose memory is not visible here"
                ),
                "audit the server behind it directly, or start both with one command",
            );
        }
        let flat = match facts.growth {
            Some(growth) => format!("and memory stayed flat, {} over where it began", Bytes(growth)),
            None => "and memory stayed flat".to_owned(),
        };
        let what = if evidence.repeats {
            format!("the server stopped reading after {} of input: {still}", Bytes(facts.taken))
        } else {
            format!("the server stopped producing after {} of output: {still}", Bytes(facts.given))
        };
        return Judgement::new(Verdict::Bounded, format!("{what}, {flat}"));
    }
    let rise =
        format!("memory rose by {} within {}", Bytes(memory.rise().max(0.0) as u64), Seconds(facts.still));
    if memory.is_steady()
        && (memory.rise() >= SURE_RISE || (memory.rise() >= LEAST_RISE && facts.still >= 2.0 * WATCH))
    {
        return Judgement::new(
            Verdict::Unbounded,
            format!("input and output stood still, and {rise}, without a pause"),
        );
    }
    // Up and down: a collector at work. It is a bound if the lows do not climb.
    let climbs =
        memory.least < memory.first - SURE_RISE.min(memory.first / 8.0) || memory.rise() <= LEAST_RISE;
    if climbs && facts.still >= 2.0 * WATCH {
        return Judgement::new(
            Verdict::Bounded,
            format!(
                "the server stopped after {}: {still}, and memory went up and down without a trend",
                Bytes(facts.taken)
            ),
        );
    }
    Judgement::unsure(
        Verdict::Inconclusive,
        format!("{still}, and {rise}, but not steadily"),
        "watch it for longer: --for 60s",
    )
}

/// It stood still, and memory is not visible.
fn unseen_memory(evidence: &Evidence, facts: &Facts, still: &str) -> Judgement {
    // Output that is no larger than input cannot grow once input has stopped.
    if evidence.repeats && facts.given <= 2 * facts.taken.max(evidence.slack / 16) {
        return Judgement::new(
            Verdict::Bounded,
            format!(
                "the server stopped reading after {} of input: {still}; seen on the wire alone, its memory is not visible",
                Bytes(facts.taken)
            ),
        );
    }
    Judgement::unsure(
        Verdict::Inconclusive,
        format!("{still}, but the server's memory is not visible, and it can grow without any input"),
        "give --pid, run as the server's user, or let the audit start the server itself",
    )
}

/// The server took all that it was sent.
fn took_it_all(evidence: &Evidence, facts: &Facts) -> Judgement {
    let taken = format!("took {} without a pause", Bytes(facts.taken));
    let back = evidence.read_out.as_ref().map_or(0, ReadOut::beyond_kernels);
    // All that was owed came: nothing had been dropped. A relay's other sockets would hide that.
    let all_came = !evidence.is_relay && facts.owed >= LEAST_OWED / 2 && back >= facts.owed / 2;
    let queued = back >= queued_threshold(evidence, facts) || all_came;
    let on_disk = facts.disk.is_some_and(|disk| disk >= facts.taken / 2);
    let kept = facts.kept.unwrap_or(0.0);
    let grown = match facts.growth {
        Some(growth) => format!("memory grew by {}", Bytes(growth)),
        None => "its memory is not visible".to_owned(),
    };
    if on_disk && kept < KEPT {
        let disk = Bytes(facts.disk.unwrap_or(0));
        return Judgement::new(Verdict::Spills, format!("the server {taken} and wrote {disk} to disk"));
    }
    if queued {
        return Judgement::new(
            Verdict::Unbounded,
            format!(
                "the server {taken}; {grown}, and {} beyond the kernel's queues came back when the victim read at last",
                Bytes(back)
            ),
        );
    }
    if facts.kept.is_some() && kept >= KEPT {
        let steady = facts.memory_in_all.is_some_and(|memory| memory.is_steady());
        // Nothing of it is owed to the victim: kept for good, or garbage that no collector has come for yet.
        let mut judgement = if steady && facts.growth.unwrap_or(0) as f64 >= LEAST_KEPT {
            Judgement::new(
                Verdict::Unbounded,
                format!("the server {taken}, and {grown}: {kept:.2} bytes a byte taken"),
            )
        } else {
            Judgement::unsure(
                Verdict::Inconclusive,
                format!("the server {taken}, and {grown}, but not steadily, and nothing of it came back"),
                "send more: --bytes 2GiB --for 60s",
            )
        };
        judgement.more_would_help =
            facts.t < evidence.patience && facts.taken < SURELY_ENOUGH * evidence.budget;
        return judgement;
    }
    if facts.growth.is_none() {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!("the server {taken} and gave nothing of it back, but {grown}: it may keep it all"),
            "give --pid, run as the server's user, or let the audit start the server itself",
        );
    }
    if facts.given > STILL_OUTPUT && (!facts.output_is_full || facts.owed < LEAST_OWED / 2) {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the server {taken}, but its answers are so small ({}) that the kernel's queues held them all",
                Bytes(facts.given)
            ),
            "send more, or a request with a larger answer: --bytes 4GiB --rate 1GiB --for 60s",
        );
    }
    if kept >= DOUBTFUL {
        let mut judgement = Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the server {taken}; {grown}: {kept:.2} bytes a byte taken is too much for none and too little for all"
            ),
            "send more: --bytes 2GiB --for 60s",
        );
        judgement.more_would_help = facts.t < evidence.patience;
        return judgement;
    }
    let nothing = if back > 0 {
        format!("only {} came back beyond the kernel's queues", Bytes(back))
    } else {
        "nothing came back beyond the kernel's queues".to_owned()
    };
    Judgement::new(Verdict::Discards, format!("the server {taken}; {grown}, and {nothing}"))
}

/// Neither still nor fast: a server that reads or produces slowly.
fn crept(evidence: &Evidence, facts: &Facts) -> Judgement {
    let moved = format!(
        "{} of input and {} of output in {}",
        Bytes(facts.taken),
        Bytes(facts.given),
        Seconds(facts.t)
    );
    if let Some(memory) = facts.memory_in_all
        && memory.is_steady()
        && facts.t >= WATCH
    {
        let rise = memory.rise().max(0.0);
        let of_input = facts.kept.unwrap_or(0.0) >= KEPT && rise >= 4.0 * LEAST_RISE;
        // Memory that follows the output into the kernel is no queue yet; beyond that it is one.
        if of_input || rise >= SURE_RISE {
            return Judgement::new(
                Verdict::Unbounded,
                format!("memory rose by {} without a pause, over {moved}", Bytes(rise as u64)),
            );
        }
    }
    let rate = (facts.taken.max(facts.given) as f64 / facts.t.max(0.001)) as u64;
    let longer = (2.0 * evidence.slack as f64 / rate.max(1) as f64).clamp(30.0, 600.0);
    Judgement::unsure(
        Verdict::Slow,
        format!("only {moved}: too little to fill the kernel's queues and show what the server does then"),
        format!("watch it for longer: --for {longer:.0}s"),
    )
}

/// Whether more input than the budget is needed for a verdict.
fn wants_more(evidence: &Evidence, facts: &Facts) -> bool {
    if facts.taken >= SURELY_ENOUGH * evidence.budget {
        // Answers that are tiny beside the requests need many more of them to fill a kernel's queue.
        return facts.given > STILL_OUTPUT && (!facts.output_is_full || facts.owed < LEAST_OWED);
    }
    if facts.output_is_full {
        return facts.owed < LEAST_OWED;
    }
    // The output has not filled the kernel's queue yet; or there is none, and memory rises all the same: garbage rises
    // until the collector comes, what is kept rises for ever.
    facts.given > STILL_OUTPUT || facts.kept.is_some_and(|kept| kept >= DOUBTFUL)
}

/// More memory than any bound that is still worth the name.
fn is_past_brake(evidence: &Evidence) -> bool {
    let last = evidence.points.last();
    last.is_some_and(|last| last.sample.server_memory.is_some_and(|memory| memory >= evidence.brake(last)))
}

/// Whether a server that stands still has come to rest, and not just to a landing of its stairs: heaps grow in steps, of
/// which one may last for seconds. Who uses no processor time queues nothing; who does is watched for longer.
fn is_at_rest(evidence: &Evidence, facts: &Facts) -> bool {
    let (Some(whole), Some(lately), Some(half)) =
        (facts.memory_while_still, facts.memory_lately, facts.memory_later_half)
    else {
        return false;
    };
    // What a bystander asks keeps a server a little busy where there is one.
    let busy = if evidence.repeats { BUSY_CORES } else { IDLE_CORES };
    let is_idle = facts.busy_while_still.is_none_or(|cores| cores <= busy);
    if is_idle && is_flat(lately) && (!evidence.repeats || whole.rise() <= LEAST_RISE) {
        return true;
    }
    facts.still >= LONG_WATCH && is_flat(half) && (is_idle || facts.t >= evidence.patience)
}

fn is_flat(memory: super::trend::Movement) -> bool {
    memory.rise() <= FLAT_RISE
}

/// [`Evidence::queue_proof`], scaled down for small budgets.
fn queued_threshold(evidence: &Evidence, facts: &Facts) -> u64 {
    evidence.queue_proof().min(facts.taken / 4).max(1)
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

/// A stream that gave much at once and then little: what was given at once had been waiting somewhere.
fn backlog_of_a_stream(read_out: &ReadOut) -> Option<u64> {
    let curve = &read_out.curve;
    let end = curve.last()?;
    let at = |t: f64| curve.iter().take_while(|point| point.0 <= t).last().map_or(0, |point| point.1);
    // The bend: where half of everything had come. A steady stream has it in the middle of the time.
    let half = curve.iter().find(|point| point.1 >= end.1 / 2)?.0;
    let after = end.1.saturating_sub(at(end.0 / 2.0));
    let is_bent = half * 6.0 < end.0 && after > 0 && after < end.1 / 4;
    (is_bent && end.0 >= 0.5 && read_out.beyond_kernels() >= BACKLOG).then(|| read_out.beyond_kernels())
}

/// Seconds for which stillness is watched: servers that hang up on a stalled peer often do so after 2 or 3.
pub(crate) const WATCH: f64 = 3.5;

/// Growth of memory within the watch that is none: a page here and there.
const FLAT_RISE: f64 = 192.0 * 1024.0;

/// Steady growth that is called growth only when it was watched for twice as long.
const LEAST_RISE: f64 = 1024.0 * 1024.0;

/// Steady growth that is beyond doubt.
const SURE_RISE: f64 = 16.0 * 1024.0 * 1024.0;

/// Growth over where the server began that is the least to call it kept.
const LEAST_KEPT: f64 = 8.0 * 1024.0 * 1024.0;

/// Bytes kept for a byte taken: from here on it keeps what it takes (measured: 0.6 to 2.2 for queues), …
const KEPT: f64 = 0.4;

/// … and below this it does not (measured: up to 0.02).
const DOUBTFUL: f64 = 0.1;

/// Input below this, at once, is not yet a flood to a server.
const LITTLE_INPUT: u64 = 1 << 20;

/// Input that shows a trend at all.
const ENOUGH_INPUT: u64 = 32 << 20;

/// So many budgets, and memory that still rises, leave no room for garbage.
const SURELY_ENOUGH: u64 = 4;

/// Growth that stops an attack, beside twice the bytes sent.
const BRAKE: u64 = 1 << 30;

/// Output below this is a greeting.
const STILL_OUTPUT: u64 = 64 * 1024;

/// Cores that a server keeps busy while it waits for its peer and answers a bystander, at most, …
const BUSY_CORES: f64 = 0.25;

/// … and without a bystander: one step of the kernel's clock in some seconds.
const IDLE_CORES: f64 = 0.005;

/// Seconds after which the later half of a still phase is long enough for the landings of a growing heap.
const LONG_WATCH: f64 = 10.0;

/// Output owed at which an attack may end; from half of it on its absence tells something.
const LEAST_OWED: u64 = 1 << 20;

/// What comes from a stream at once and is more than any sensible buffer.
const BACKLOG: u64 = 48 << 20;
