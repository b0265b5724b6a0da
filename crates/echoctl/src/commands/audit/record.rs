//! The record of an audit: what `echoctl report` draws, with the evidence from which it can be judged again.

use echoctl_record::{Ending, Run};

use super::summary::Summary;
use crate::output::recorder::new_run;

/// The record of an audit.
pub(super) fn record(summary: &Summary) -> Run {
    let attack = summary.attack;
    let mut run = new_run(summary.seconds, summary.addr.clone());
    let last = attack.samples.last().copied().unwrap_or_default();
    run.samples.clone_from(&attack.samples);
    let totals = echoctl_record::Summary {
        seconds: summary.seconds,
        connections: summary.connections,
        produced: last.produced,
        consumed: last.consumed,
        // Without more to send, the client is not held back.
        stalled_seconds: if attack.evidence.repeats { summary.figures.stalled_seconds } else { 0.0 },
        server_pid: summary.pids.first().copied(),
        server_memory_growth: summary.figures.memory_growth,
        inside_server: summary.figures.inside_server,
        verdict: Some(summary.verdict),
        reason: Some(summary.reason.clone()),
        findings: summary.findings.clone(),
        ..echoctl_record::Summary::new(summary.addr.clone())
    };
    run.ending = Some(Ending::Audit { summary: totals, evidence: Box::new(attack.evidence.clone()) });
    run
}
