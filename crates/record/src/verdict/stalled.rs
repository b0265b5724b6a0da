//! Standing stalled: neither input nor output moves. A bound, if memory does not move either.

use super::evidence::{Drain, Evidence};
use super::judge::Judgement;
use super::limits::*;
use super::signals::Signals;
use super::trend::Movement;
use crate::{Bytes, Seconds, Verdict};

/// Input and output stood still for long enough.
pub(super) fn judge_stalled(evidence: &Evidence, signals: &Signals) -> Judgement {
    let stalled = format!("nothing moved for {}", Seconds(signals.stalled));
    if !signals.under_pressure {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!("{stalled}, but no byte waits in any queue: the server was never put under pressure"),
            "check the script: a request that the server answers at length, or one sent again and again",
        );
    }
    let Some(memory) = signals.memory_while_stalled else {
        return judge_without_memory(evidence, signals, &stalled);
    };
    if let Some(disk) = signals.disk_while_stalled
        && disk.rise() >= SURE_RISE
        && disk.is_steady()
        && memory.rise() <= disk.rise() / 8.0
    {
        return Judgement::new(
            Verdict::Spills,
            format!("{stalled}, while the server went on writing to disk: {}", Bytes(disk.rise() as u64)),
        );
    }
    if is_at_rest(evidence, signals) {
        if let Some(backlog) = evidence.drain.as_ref().and_then(stream_backlog)
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
        if evidence.hidden_upstream
            && (!evidence.repeats || signals.server_written > signals.server_read.saturating_mul(4))
        {
            return Judgement::unsure(
                Verdict::Inconclusive,
                format!(
                    "{stalled}, but the server may fetch from another one, whose memory is not visible here"
                ),
                "audit the server behind it directly, or start both with one command",
            );
        }
        let flat = match signals.growth {
            Some(growth) => {
                format!("and its memory, {} over where it began, did not grow any more", Bytes(growth))
            }
            None => "and its memory did not grow any more".to_owned(),
        };
        let what = if evidence.repeats {
            format!("the server stopped reading after {} of input: {stalled}", Bytes(signals.server_read))
        } else {
            format!(
                "the server stopped producing after {} of output: {stalled}",
                Bytes(signals.server_written)
            )
        };
        return Judgement::new(Verdict::Bounded, format!("{what}, {flat}"));
    }
    let rise = format!(
        "memory rose by {} within {}",
        Bytes(memory.rise().max(0.0) as u64),
        Seconds(signals.stalled)
    );
    if memory.is_steady()
        && (memory.rise() >= SURE_RISE || (memory.rise() >= LEAST_RISE && signals.stalled >= 2.0 * WATCH))
    {
        return Judgement::new(
            Verdict::Unbounded,
            format!("input and output stood still, and {rise}, without a pause"),
        );
    }
    // Up and down: a collector at work. It is a bound if the lows do not climb.
    let climbs =
        memory.least < memory.first - SURE_RISE.min(memory.first / 8.0) || memory.rise() <= LEAST_RISE;
    if climbs && signals.stalled >= 2.0 * WATCH {
        return Judgement::new(
            Verdict::Bounded,
            format!(
                "the server stopped after {}: {stalled}, and memory went up and down without a trend",
                Bytes(signals.server_read)
            ),
        );
    }
    Judgement::unsure(
        Verdict::Inconclusive,
        format!("{stalled}, and {rise}, but not steadily"),
        "watch it for longer: --for 60s",
    )
}

/// It stood still, and memory is not visible.
fn judge_without_memory(evidence: &Evidence, signals: &Signals, stalled: &str) -> Judgement {
    // Output that is no larger than input cannot grow once input has stopped.
    if evidence.repeats
        && signals.server_written <= signals.server_read.max(evidence.kernel_buffering / 16).saturating_mul(2)
    {
        return Judgement::new(
            Verdict::Bounded,
            format!(
                "the server stopped reading after {} of input: {stalled}; seen on the wire alone, its memory is not visible",
                Bytes(signals.server_read)
            ),
        );
    }
    Judgement::unsure(
        Verdict::Inconclusive,
        format!("{stalled}, but the server's memory is not visible, and it can grow without any input"),
        "give --pid, run as the server's user, or let the audit start the server itself",
    )
}

/// Whether a server that stands still has come to rest, and not just to a landing of its stairs: heaps grow in steps, of
/// which one may last for seconds. Who uses no processor time queues nothing; who does is watched for longer.
pub(super) fn is_at_rest(evidence: &Evidence, signals: &Signals) -> bool {
    let (Some(whole), Some(lately), Some(half)) =
        (signals.memory_while_stalled, signals.memory_lately, signals.memory_later_half)
    else {
        return false;
    };
    // What a bystander asks keeps a server a little busy where there is one.
    let busy = if evidence.repeats { BUSY_CORES } else { IDLE_CORES };
    let is_idle = signals.busy_while_stalled.is_none_or(|cores| cores <= busy);
    if is_idle && is_flat(lately) && (!evidence.repeats || whole.rise() <= LEAST_RISE) {
        return true;
    }
    signals.stalled >= LONG_WATCH && is_flat(half) && (is_idle || signals.t >= evidence.max_duration)
}

fn is_flat(memory: Movement) -> bool {
    memory.rise() <= FLAT_RISE
}

/// A stream that gave much at once and then little: what was given at once had been waiting somewhere.
fn stream_backlog(drain: &Drain) -> Option<u64> {
    let curve = &drain.curve;
    let end = curve.last()?;
    let at = |t: f64| curve.iter().take_while(|point| point.0 <= t).last().map_or(0, |point| point.1);
    // The bend: where half of everything had come. A steady stream has it in the middle of the time.
    let half = curve.iter().find(|point| point.1 >= end.1 / 2)?.0;
    let after = end.1.saturating_sub(at(end.0 / 2.0));
    let is_bent = half * 6.0 < end.0 && after > 0 && after < end.1 / 4;
    (is_bent && end.0 >= 0.5 && drain.beyond_kernels() >= BACKLOG).then(|| drain.beyond_kernels())
}
