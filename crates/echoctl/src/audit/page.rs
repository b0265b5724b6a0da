//! The HTML page of an audit: the verdict, its evidence, charts and remedies.

use echoctl_audit::AuditOutcome;
use echoctl_report::{Page, Section, Table, charts};

use super::remedies::remedies;
use super::summary::Summary;
use super::text::{evidence, headline, why};

/// The page of an audit.
pub(super) fn page(summary: &Summary, attack: &AuditOutcome) -> Page {
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
