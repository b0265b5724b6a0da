//! What is kept: the page for people, and the record for programs.

use echoctl_audit::Outcome;
use echoctl_record::Evidence;
use echoctl_report::{Page, Section, Table, charts};
use serde::Serialize;

use super::remedies::remedies;
use super::summary::Summary;
use super::told::{evidence, headline, why};

/// The page of an audit.
pub(super) fn page(summary: &Summary, attack: &Outcome) -> Page {
    let title = format!("{}: {}", summary.verdict.name(), summary.target);
    let mut reasons = Section::new("Why");
    for line in why(summary, attack) {
        reasons = reasons.paragraph(line);
    }
    let mut page = Page::new(title, headline(summary)).section(reasons.table(evidence(summary))).section(
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

/// All that was recorded: enough to judge it again.
#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    program: &'static str,
    summary: &'a Summary,
    evidence: &'a Evidence,
    samples: &'a [echoctl_record::Sample],
}

/// The record as JSON.
///
/// # Errors
/// Never in practice: all of it can be expressed.
pub(super) fn record(summary: &Summary, attack: &Outcome) -> serde_json::Result<String> {
    serde_json::to_string(&Record {
        kind: "audit",
        program: env!("CARGO_PKG_VERSION"),
        summary,
        evidence: &attack.evidence,
        samples: &attack.samples,
    })
}
