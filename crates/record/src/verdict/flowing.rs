//! Flowing: the server takes what it is sent, at once or slowly. What it does with it decides.

use super::evidence::{Evidence, ReadOut, Stopped};
use super::facts::Facts;
use super::judge::Judgement;
use super::limits::*;
use crate::{Bytes, Seconds, Verdict};

/// The server took all that it was sent.
pub(super) fn took_it_all(evidence: &Evidence, facts: &Facts) -> Judgement {
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
                format!("the server {taken}, and {grown}, by {kept:.2} bytes for each byte it took"),
            )
        } else {
            Judgement::unsure(
                Verdict::Inconclusive,
                format!("the server {taken}, and {grown}, but not steadily, and nothing of it came back"),
                "send more: --bytes 2GiB --for 60s",
            )
        };
        judgement.more_would_help =
            facts.t < evidence.patience && facts.taken < evidence.budget.saturating_mul(SURELY_ENOUGH);
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
                "the server {taken}; {grown}, by {kept:.2} bytes for each byte it took: it keeps a part of what it \
                 takes, or of shorter answers to it, or there is garbage that is not collected yet"
            ),
            "send more, so that garbage is collected and what is kept shows: --bytes 2GiB --for 60s; \
             or a request with a larger answer",
        );
        judgement.more_would_help = facts.t < evidence.patience;
        return judgement;
    }
    if back > 0 && evidence.read_out.as_ref().is_some_and(|read_out| read_out.stopped == Stopped::Enough) {
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
pub(super) fn crept(evidence: &Evidence, facts: &Facts) -> Judgement {
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
pub(super) fn wants_more(evidence: &Evidence, facts: &Facts) -> bool {
    if facts.taken >= evidence.budget.saturating_mul(SURELY_ENOUGH) {
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

/// [`Evidence::queue_proof`], scaled down for small budgets.
fn queued_threshold(evidence: &Evidence, facts: &Facts) -> u64 {
    evidence.queue_proof().min(facts.taken / 4).max(1)
}
