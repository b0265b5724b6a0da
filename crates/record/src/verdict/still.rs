//! Standing still: neither input nor output moves. A bound, if memory does not move either.

use super::evidence::{Evidence, ReadOut};
use super::facts::Facts;
use super::judge::Judgement;
use super::limits::*;
use super::trend::Movement;
use crate::{Bytes, Seconds, Verdict};

/// Input and output stood still for long enough.
pub(super) fn stood_still(evidence: &Evidence, facts: &Facts) -> Judgement {
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
        if evidence.hidden_upstream && (!evidence.repeats || facts.given > facts.taken.saturating_mul(4)) {
            return Judgement::unsure(
                Verdict::Inconclusive,
                format!(
                    "{still}, but the server may fetch from another one, whose memory is not visible here"
                ),
                "audit the server behind it directly, or start both with one command",
            );
        }
        let flat = match facts.growth {
            Some(growth) => {
                format!("and its memory, {} over where it began, did not grow any more", Bytes(growth))
            }
            None => "and its memory did not grow any more".to_owned(),
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
    if evidence.repeats && facts.given <= facts.taken.max(evidence.slack / 16).saturating_mul(2) {
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

/// Whether a server that stands still has come to rest, and not just to a landing of its stairs: heaps grow in steps, of
/// which one may last for seconds. Who uses no processor time queues nothing; who does is watched for longer.
pub(super) fn is_at_rest(evidence: &Evidence, facts: &Facts) -> bool {
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

fn is_flat(memory: Movement) -> bool {
    memory.rise() <= FLAT_RISE
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
