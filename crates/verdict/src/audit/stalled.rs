//! Judges a server whose input and output have both stopped: bounded, if its memory has stopped growing, too.

use echoctl_record::{Bytes, Drain, Evidence, Seconds, Verdict};

use super::accepting::SEE_MEMORY;
use super::limits::*;
use super::signals::Signals;
use crate::Judgement;
use crate::trend::Movement;

/// Neither input nor output moved for long enough.
pub(super) fn judge_stalled(evidence: &Evidence, signals: &Signals) -> Judgement {
    let stalled = format!("nothing moved for {}", Seconds(signals.stalled));
    if !signals.under_pressure {
        let waiting = match signals.in_queues {
            0 => "the visible queues are empty".to_owned(),
            bytes => format!("only {} are in the kernels' queues, which have room left", Bytes(bytes)),
        };
        return Judgement::with_advice(
            Verdict::Inconclusive,
            format!("{stalled}, but {waiting}: the server was never under pressure"),
            "check that the input fits the server's protocol; if it does, use a request with a long reply, or one that is sent \
             repeatedly",
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
            format!("{stalled}, while the server wrote {} to disk", Bytes(disk.rise() as u64)),
        );
    }
    if is_at_rest(evidence, signals) {
        return judge_at_rest(evidence, signals, &stalled);
    }
    let rise = format!(
        "its memory rose by {} in {}",
        Bytes(memory.rise().max(0.0) as u64),
        Seconds(signals.stalled)
    );
    if memory.is_steady()
        && (memory.rise() >= SURE_RISE || (memory.rise() >= MIN_RISE && signals.stalled >= 2.0 * WATCH))
    {
        return Judgement::new(
            Verdict::Unbounded,
            format!(
                "the server neither read nor wrote, and its memory rose steadily by at least {} in {}",
                Bytes(memory.rise() as u64),
                Seconds(signals.stalled)
            ),
        );
    }
    // Up and down: a garbage collector at work. The server is bounded if the lows do not climb.
    let is_level =
        memory.least < memory.first - SURE_RISE.min(memory.first / 8.0) || memory.rise() <= MIN_RISE;
    if is_level && signals.stalled >= 2.0 * WATCH {
        return Judgement::new(
            Verdict::Bounded,
            format!(
                "the server stopped reading after {} of input: {stalled}, and its memory rose and fell without a trend",
                Bytes(signals.server_read)
            ),
        );
    }
    Judgement::with_advice(
        Verdict::Inconclusive,
        format!("{stalled}, and {rise}, but not steadily"),
        "watch it for longer: --for 60s",
    )
}

/// The server stalled, and its memory does not change any more.
fn judge_at_rest(evidence: &Evidence, signals: &Signals, stalled: &str) -> Judgement {
    if let Some(backlog) = evidence.drain.as_ref().and_then(stream_backlog)
        && !evidence.repeats
    {
        return Judgement::with_advice(
            Verdict::Inconclusive,
            format!(
                "the server's memory stayed flat, but on draining {} came immediately and the rest slowly: another process \
                 had queued it",
                Bytes(backlog)
            ),
            "give --pid of the process that produces the data, or audit that process directly",
        );
    }
    if evidence.hidden_upstream
        && (!evidence.repeats || signals.server_written > signals.server_read.saturating_mul(4))
    {
        return Judgement::with_advice(
            Verdict::Inconclusive,
            format!(
                "{stalled}, but the server may fetch from another server, whose memory is not visible here"
            ),
            "audit the server behind it directly, or start both with one command",
        );
    }
    let flat = match signals.growth {
        Some(growth) => format!("and its memory stopped growing at {} above its initial size", Bytes(growth)),
        None => "and its memory stopped growing".to_owned(),
    };
    let stopped = if evidence.repeats {
        format!("the server stopped reading after {} of input: {stalled}", Bytes(signals.server_read))
    } else {
        format!("the server stopped producing after {} of output: {stalled}", Bytes(signals.server_written))
    };
    Judgement::new(Verdict::Bounded, format!("{stopped}, {flat}"))
}

/// The server stalled, and its memory is not visible.
fn judge_without_memory(evidence: &Evidence, signals: &Signals, stalled: &str) -> Judgement {
    // Output that is not larger than the input cannot grow once the input has stopped.
    let limit = signals.server_read.max(evidence.kernel_buffering / 16).saturating_mul(2);
    if evidence.repeats && signals.server_written <= limit {
        return Judgement::new(
            Verdict::Bounded,
            format!(
                "the server stopped reading after {} of input: {stalled} (judged by its traffic; its memory is not visible)",
                Bytes(signals.server_read)
            ),
        );
    }
    Judgement::with_advice(
        Verdict::Inconclusive,
        format!("{stalled}, but the server's memory is not visible, and it can grow without input"),
        SEE_MEMORY,
    )
}

/// Whether a stalled server has come to rest, rather than to a pause between two steps of its growth: heaps grow in steps, one of
/// which may last for seconds. A server that uses no processor time queues nothing; one that does is watched for longer.
pub(super) fn is_at_rest(evidence: &Evidence, signals: &Signals) -> bool {
    let (Some(whole), Some(lately), Some(half)) =
        (signals.memory_while_stalled, signals.memory_lately, signals.memory_later_half)
    else {
        return false;
    };
    // The requests of a bystander keep a server slightly busy.
    let busy = if evidence.repeats { BUSY_CORES } else { IDLE_CORES };
    let is_idle = signals.busy_while_stalled.is_none_or(|cores| cores <= busy);
    if is_idle && is_flat(lately) && (!evidence.repeats || whole.rise() <= MIN_RISE) {
        return true;
    }
    signals.stalled >= LONG_WATCH && is_flat(half) && (is_idle || signals.t >= evidence.max_duration)
}

fn is_flat(memory: Movement) -> bool {
    memory.rise() <= FLAT_RISE
}

/// The bytes that a drained stream delivered before it slowed down: they had been queued.
fn stream_backlog(drain: &Drain) -> Option<u64> {
    let curve = &drain.curve;
    let end = curve.last()?;
    let at = |t: f64| curve.iter().take_while(|point| point.0 <= t).last().map_or(0, |point| point.1);
    // The bend: the time by which half of everything had come. For a steady stream it is half of the time.
    let half = curve.iter().find(|point| point.1 >= end.1 / 2)?.0;
    let after = end.1.saturating_sub(at(end.0 / 2.0));
    let is_bent = half * 6.0 < end.0 && after > 0 && after < end.1 / 4;
    (is_bent && end.0 >= 0.5 && drain.beyond_kernels() >= BACKLOG).then(|| drain.beyond_kernels())
}
