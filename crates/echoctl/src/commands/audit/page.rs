//! The HTML page of an audit: the verdict, its evidence, charts and remedies.

use echoctl_record::Run;
use echoctl_report::{Page, Section, Table, charts, tables};

use super::evidence::{evidence, other_clients};
use super::remedies::remedies;
use super::summary::Summary;
use super::words::{headline, why};
use crate::commands::report::FOOTER;

/// The page of an audit, of which `run` is the recording.
pub(super) fn page(summary: &Summary, run: &Run) -> Page {
    let samples = &summary.attack.samples;
    let title = format!("{}: {}", summary.verdict.name(), summary.target);
    let mut reasons = Section::new("Why");
    for line in why(summary) {
        reasons = reasons.paragraph(line);
    }
    // A single request fills neither a queue nor the window, so they say nothing about the server.
    let input = [charts::queues(samples, &run.machine.socket_limits()), charts::window(samples)];
    let input = input.into_iter().filter(|_| summary.attack.evidence.repeats);
    let charts = [charts::memory(samples)]
        .into_iter()
        .chain(charts::output(samples, charts::Clients::One))
        .chain(input);
    let over_time = charts.fold(Section::new("Over time"), Section::chart);
    let mut page = Page::new(title, headline(summary)).section(reasons.table(evidence(summary)));
    let clients = other_clients(summary);
    if !clients.is_empty() {
        let table = clients.into_iter().fold(Table::default(), |table, (name, how)| table.row([name, how]));
        page = page.section(Section::new("Other clients").table(table));
    }
    page = page.section(over_time);
    let remedies = remedies(summary);
    if !remedies.is_empty() {
        let mut table = Table::new("", ["remedy", "what it does and costs"]);
        for (name, what) in remedies {
            table = table.row([name, what]);
        }
        page = page.section(Section::new("Remedies").table(table));
    }
    if let Some(next) = &summary.try_next {
        let section = Section::new("Try next").paragraph(next.what.as_str());
        page = page.section(next.command.iter().fold(section, Section::code));
    }
    page.section(Section::new("The machine").table(tables::environment(run))).footer(FOOTER)
}
