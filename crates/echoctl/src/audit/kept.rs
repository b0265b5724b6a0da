//! What is kept: the page for people, and the record for programs.

use echoctl_audit::Outcome;
use echoctl_record::Run;
use echoctl_report::{Page, Section, Table, charts};

use super::remedies::remedies;
use super::summary::Summary;
use super::told::{evidence, headline, why};
use crate::keep::begun;

/// The page of an audit.
pub(super) fn page(summary: &Summary, attack: &Outcome) -> Page {
    let title = format!("{}: {}", summary.verdict.name(), summary.target);
    let mut reasons = Section::new("Why");
    for line in why(summary, attack) {
        reasons = reasons.paragraph(line);
    }
    let mut page =
        Page::new(title, headline(summary)).section(reasons.table(evidence(summary, attack))).section(
            Section::new("How it went")
                .chart(charts::memory(&attack.samples))
                .chart(charts::queues(&attack.samples))
                .chart(charts::window(&attack.samples)),
        );
    let advice = remedies(summary.verdict);
    if !advice.is_empty() {
        let mut table = Table::new("Remedies", ["remedy", "what it is, and what it costs"]);
        for (name, what) in advice {
            table = table.row([*name, *what]);
        }
        page = page.section(Section::new("What to do").table(table));
    }
    if let Some(next) = &summary.try_next {
        page = page.section(Section::new("What to try next").paragraph(next.clone()));
    }
    page
}

/// The record: what `echoctl report` draws, with the evidence to judge it by again.
pub(super) fn record(summary: &Summary, attack: &Outcome) -> Run {
    let mut run = begun(summary.seconds as u64, summary.addr.to_string(), echoctl_observe::machine());
    let last = attack.samples.last().copied().unwrap_or_default();
    run.samples.clone_from(&attack.samples);
    run.summary = Some(echoctl_record::Summary {
        seconds: summary.seconds,
        connections: summary.connections,
        produced: last.produced,
        consumed: last.consumed,
        stalled_seconds: summary.figures.still,
        server_pid: summary.pids.first().copied(),
        server_memory_growth: summary.figures.memory_growth,
        inside_server: summary.figures.inside_server,
        verdict: Some(summary.verdict),
        reason: Some(summary.reason.clone()),
        ..echoctl_record::Summary::new(summary.addr.to_string())
    });
    run.evidence = Some(attack.evidence.clone());
    run
}
