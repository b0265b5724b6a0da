//! Flowing: the server takes what it is sent, at once or slowly. What it does with it decides.

use super::evidence::{Drain, Evidence, StopReason};
use super::judge::Judgement;
use super::limits::*;
use super::signals::Signals;
use crate::{Bytes, Seconds, Verdict};

/// The server took all that it was sent.
pub(super) fn judge_accepting(evidence: &Evidence, signals: &Signals) -> Judgement {
    let taken = format!("took {} without a pause", Bytes(signals.server_read));
    let back = evidence.drain.as_ref().map_or(0, Drain::beyond_kernels);
    // All that was owed came: nothing had been dropped. A relay's other sockets would hide that.
    let all_came =
        !evidence.is_relay && signals.pending_output >= MIN_PENDING / 2 && back >= signals.pending_output / 2;
    let queued = back >= queued_threshold(evidence, signals) || all_came;
    let on_disk = signals.disk_written.is_some_and(|disk| disk >= signals.server_read / 2);
    let retained = signals.retained.unwrap_or(0.0);
    let grown = match signals.growth {
        Some(growth) => format!("memory grew by {}", Bytes(growth)),
        None => "its memory is not visible".to_owned(),
    };
    if on_disk && retained < RETENTION {
        let disk = Bytes(signals.disk_written.unwrap_or(0));
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
    if signals.retained.is_some() && retained >= RETENTION {
        let steady = signals.memory_in_all.is_some_and(|memory| memory.is_steady());
        // Nothing of it is owed to the victim: kept for good, or garbage that no collector has come for yet.
        let mut judgement = if steady && signals.growth.unwrap_or(0) as f64 >= MIN_RETAINED {
            Judgement::new(
                Verdict::Unbounded,
                format!("the server {taken}, and {grown}, by {retained:.2} bytes for each byte it took"),
            )
        } else {
            Judgement::unsure(
                Verdict::Inconclusive,
                format!("the server {taken}, and {grown}, but not steadily, and nothing of it came back"),
                "send more: --bytes 2GiB --for 60s",
            )
        };
        judgement.wants_second_pass = signals.t < evidence.max_duration
            && signals.server_read < evidence.budget.saturating_mul(SURELY_ENOUGH);
        return judgement;
    }
    if signals.growth.is_none() {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!("the server {taken} and gave nothing of it back, but {grown}: it may keep it all"),
            "give --pid, run as the server's user, or let the audit start the server itself",
        );
    }
    if signals.server_written > GREETING_BYTES
        && (!signals.output_is_full || signals.pending_output < MIN_PENDING / 2)
    {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the server {taken}, but its answers are so small ({}) that the kernel's queues held them all",
                Bytes(signals.server_written)
            ),
            "send more, or a request with a larger answer: --bytes 4GiB --rate 1GiB --for 60s",
        );
    }
    if retained >= DOUBTFUL_RETENTION {
        let mut judgement = Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the server {taken}; {grown}, by {retained:.2} bytes for each byte it took: it keeps a part of what it \
                 takes, or of shorter answers to it, or there is garbage that is not collected yet"
            ),
            "send more, so that garbage is collected and what is kept shows: --bytes 2GiB --for 60s; \
             or a request with a larger answer",
        );
        judgement.wants_second_pass = signals.t < evidence.max_duration;
        return judgement;
    }
    if back > 0 && evidence.drain.as_ref().is_some_and(|drain| drain.stopped == StopReason::Enough) {
        return Judgement::unsure(
            Verdict::Inconclusive,
            format!(
                "the server {taken}; {grown}, but when the time to read out was over more was still coming"
            ),
            "read it out for longer with a smaller flood: --bytes 64MiB",
        );
    }
    let nothing = if back > 0 {
        format!("only {} came back beyond the kernel's queues", Bytes(back))
    } else {
        "nothing came back beyond the kernel's queues".to_owned()
    };
    Judgement::new(Verdict::Discards, format!("the server {taken}; {grown}, and {nothing}"))
}

/// Neither still nor fast: a server that reads or produces slowly.
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
        let of_input = signals.retained.unwrap_or(0.0) >= RETENTION && rise >= 4.0 * LEAST_RISE;
        // Memory that follows the output into the kernel is no queue yet; beyond that it is one.
        if of_input || rise >= SURE_RISE {
            return Judgement::new(
                Verdict::Unbounded,
                format!("memory rose by {} without a pause, over {moved}", Bytes(rise as u64)),
            );
        }
    }
    let rate = (signals.server_read.max(signals.server_written) as f64 / signals.t.max(0.001)) as u64;
    let longer = (2.0 * evidence.kernel_buffering as f64 / rate.max(1) as f64).clamp(30.0, 600.0);
    Judgement::unsure(
        Verdict::Slow,
        format!("only {moved}: too little to fill the kernel's queues and show what the server does then"),
        format!("watch it for longer: --for {longer:.0}s"),
    )
}

/// Whether more input than the budget is needed for a verdict.
pub(super) fn wants_more(evidence: &Evidence, signals: &Signals) -> bool {
    if signals.server_read >= evidence.budget.saturating_mul(SURELY_ENOUGH) {
        // Answers that are tiny beside the requests need many more of them to fill a kernel's queue.
        return signals.server_written > GREETING_BYTES
            && (!signals.output_is_full || signals.pending_output < MIN_PENDING);
    }
    if signals.output_is_full {
        return signals.pending_output < MIN_PENDING;
    }
    // The output has not filled the kernel's queue yet; or there is none, and memory rises all the same: garbage rises
    // until the collector comes, what is kept rises for ever.
    signals.server_written > GREETING_BYTES
        || signals.retained.is_some_and(|retained| retained >= DOUBTFUL_RETENTION)
}

/// [`Evidence::proves_queue_above`], scaled down for small budgets.
fn queued_threshold(evidence: &Evidence, signals: &Signals) -> u64 {
    evidence.proves_queue_above().min(signals.server_read / 4).max(1)
}
