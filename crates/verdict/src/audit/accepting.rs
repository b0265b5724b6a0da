//! Judges a server that accepts its input, fast or slowly: what it does with that input decides.

use echoctl_record::{Bytes, Drain, Evidence, Seconds, StopReason, Verdict};

use super::limits::*;
use super::proves_queue_above;
use super::signals::Signals;
use crate::Judgement;

/// The server accepted everything that it was sent.
pub(super) fn judge_accepting(evidence: &Evidence, signals: &Signals) -> Judgement {
    let read = format!("read {} without pausing", Bytes(signals.server_read));
    let back = evidence.drain.as_ref().map_or(0, Drain::beyond_kernels);
    // If everything that was pending came, nothing had been dropped. The further sockets of a relay would hide that.
    let all_came =
        !evidence.is_relay && signals.pending_output >= MIN_PENDING / 2 && back >= signals.pending_output / 2;
    let queued = back >= queued_threshold(evidence, signals) || all_came;
    let on_disk = signals.disk_written.is_some_and(|disk| disk >= signals.server_read / 2);
    let retained = signals.retained.unwrap_or(0.0);
    let memory = match signals.growth {
        Some(growth) => format!("its memory grew by {}", Bytes(growth)),
        None => "its memory is not visible".to_owned(),
    };
    if on_disk && retained < RETENTION {
        let disk = Bytes(signals.disk_written.unwrap_or(0));
        return Judgement::new(Verdict::Spills, format!("the server {read} and wrote {disk} to disk"));
    }
    if queued {
        return Judgement::new(
            Verdict::Unbounded,
            format!(
                "the server {read}; {memory}, and {} more than the kernels had buffered was drained at the end",
                Bytes(back)
            ),
        );
    }
    if signals.retained.is_some() && retained >= RETENTION {
        let steady = signals.memory_in_all.is_some_and(|memory| memory.is_steady());
        // Nothing of it is pending for the slow reader: it is retained for good, or garbage not yet collected.
        let mut judgement = if steady && signals.growth.unwrap_or(0) as f64 >= MIN_RETAINED {
            Judgement::new(
                Verdict::Unbounded,
                format!("the server {read}, and {memory}: {retained:.2} bytes per byte read"),
            )
        } else {
            Judgement::with_advice(
                Verdict::Inconclusive,
                format!("the server {read}, and {memory}, but not steadily, and none of it was sent back"),
                "send more: --bytes 2GiB --for 60s",
            )
        };
        judgement.wants_second_pass = signals.t < evidence.max_duration
            && signals.server_read < evidence.budget.saturating_mul(MAX_BUDGETS);
        return judgement;
    }
    if signals.growth.is_none() {
        return Judgement::with_advice(
            Verdict::Inconclusive,
            format!("the server {read} and sent nothing back, but {memory}: it may retain everything"),
            SEE_MEMORY,
        );
    }
    if signals.server_written > GREETING_BYTES
        && (!signals.output_is_full || signals.pending_output < MIN_PENDING / 2)
    {
        return Judgement::with_advice(
            Verdict::Inconclusive,
            format!(
                "the server {read}, but its replies ({}) are so small that they fit into the kernels' queues",
                Bytes(signals.server_written)
            ),
            "send more, or a request with a larger reply: --bytes 4GiB --rate 1GiB --for 60s",
        );
    }
    if retained >= DOUBTFUL_RETENTION {
        let mut judgement = Judgement::with_advice(
            Verdict::Inconclusive,
            format!(
                "the server {read}; {memory} ({retained:.2} bytes per byte read): it retains a part of its input or of \
                 shorter replies, or garbage has not been collected yet"
            ),
            "send more, so that garbage is collected and a trend shows: --bytes 2GiB --for 60s; or send a request with a \
             larger reply",
        );
        judgement.wants_second_pass = signals.t < evidence.max_duration;
        return judgement;
    }
    if back > 0 && evidence.drain.as_ref().is_some_and(|drain| drain.stopped == StopReason::Enough) {
        return Judgement::with_advice(
            Verdict::Inconclusive,
            format!(
                "the server {read}; {memory}, but it was still sending when the time for draining was over"
            ),
            "send less, so that draining finishes: --bytes 64MiB",
        );
    }
    let drained = if back > 0 {
        format!("only {} more than the kernels had buffered was drained at the end", Bytes(back))
    } else {
        "no more than the kernels had buffered was drained at the end".to_owned()
    };
    Judgement::new(Verdict::Discards, format!("the server {read}; {memory}, and {drained}"))
}

/// The server neither stalled nor accepted input fast: it reads or produces slowly.
pub(super) fn judge_slow(evidence: &Evidence, signals: &Signals) -> Judgement {
    let moved = format!(
        "{} of input and {} of output in {}",
        Bytes(signals.server_read),
        Bytes(signals.server_written),
        Seconds(signals.t)
    );
    if let Some(memory) = signals.memory_in_all
        && memory.is_steady()
        && signals.t >= WATCH
    {
        let rise = memory.rise().max(0.0);
        let of_input = signals.retained.unwrap_or(0.0) >= RETENTION && rise >= 4.0 * MIN_RISE;
        // Memory that follows the output into the kernel is not a queue yet; beyond that it is one.
        if of_input || rise >= SURE_RISE {
            return Judgement::new(
                Verdict::Unbounded,
                format!("the server's memory rose steadily by {} during {moved}", Bytes(rise as u64)),
            );
        }
    }
    let rate = (signals.server_read.max(signals.server_written) as f64 / signals.t.max(0.001)) as u64;
    let longer = (2.0 * evidence.kernel_buffering as f64 / rate.max(1) as f64).clamp(30.0, 600.0);
    Judgement::with_advice(
        Verdict::Slow,
        format!("only {moved}: too little to fill the kernels' queues and show what the server does then"),
        if signals.server_read.saturating_add(signals.server_written) < GREETING_BYTES {
            format!(
                "check that the input fits the server's protocol; if it does, watch it for longer: --for {longer:.0}s"
            )
        } else {
            format!("watch it for longer: --for {longer:.0}s")
        },
    )
}

/// Whether a verdict needs more input than the budget.
pub(super) fn wants_more(evidence: &Evidence, signals: &Signals) -> bool {
    if signals.server_read >= evidence.budget.saturating_mul(MAX_BUDGETS) {
        // Replies that are tiny beside the requests need many more of them to fill a kernel's queue.
        return signals.server_written > GREETING_BYTES
            && (!signals.output_is_full || signals.pending_output < MIN_PENDING);
    }
    if signals.output_is_full {
        return signals.pending_output < MIN_PENDING;
    }
    // The output has not filled the kernel's queue yet; or there is none, and memory rises all the same: garbage rises until
    // it is collected, a queue rises without end.
    signals.server_written > GREETING_BYTES
        || signals.retained.is_some_and(|retained| retained >= DOUBTFUL_RETENTION)
}

/// [`proves_queue_above`], scaled down for small budgets.
fn queued_threshold(evidence: &Evidence, signals: &Signals) -> u64 {
    proves_queue_above(evidence).min(signals.server_read / 4).max(1)
}

/// The advice where the server's memory is not visible.
pub(super) const SEE_MEMORY: &str =
    "give --pid, run as the server's user, or let the audit start the server itself";
