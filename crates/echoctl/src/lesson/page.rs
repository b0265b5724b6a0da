//! The page: a lesson as one HTML file, for handing in or for the wall.

use echoctl_lab::kit::{self, Finding, Lesson};
use echoctl_report::{Block, Page, Section, Table};

use super::Submission;

/// The lesson with its question, the answer, the evidence and the explanation.
pub(super) fn page(lesson: &Lesson, finding: &Finding, submission: &Submission) -> Page {
    let mut page = Page::new(format!("Lesson: {}", lesson.name), lesson.idea);
    if let Some(name) = &submission.name {
        page = page.open(Block::Paragraph(format!("Submission in by {name}.")));
    }
    page.section(question(lesson, submission))
        .section(evidence(finding))
        .section(explanation(finding))
        .section(checked(finding))
        .section(Section::new("The code that matters").code(lesson.code.excerpt()))
        .footer(format!("Made by echoctl {}: echoctl lesson {}", env!("CARGO_PKG_VERSION"), lesson.name))
}

fn question(lesson: &Lesson, submission: &Submission) -> Section {
    let mark = |letter| match (submission.prediction == Some(letter), submission.measured == Some(letter)) {
        (true, true) => "predicted and measured",
        (true, false) => "predicted",
        (false, true) => "measured",
        (false, false) => "",
    };
    let choices = lesson.question.lettered().fold(Table::default(), |table, (letter, choice)| {
        table.row([format!("{letter})"), choice.to_owned(), mark(letter).to_owned()])
    });
    Section::new("The question").paragraph(lesson.question.text).table(choices)
}

fn evidence(finding: &Finding) -> Section {
    let section = Section::new("Measured");
    let section = finding.tables.iter().fold(section, |section, table| section.table(drawn(table)));
    match &finding.chart {
        Some(chart) => section.chart(chart.clone()),
        None => section,
    }
}

fn explanation(finding: &Finding) -> Section {
    let section = Section::new("What it shows");
    if !finding.holds() {
        return section
            .paragraph("Not what it was meant to: see what was checked. The explanation is left out.");
    }
    finding.explanation.iter().fold(section, |section, told| section.paragraph(told))
}

fn checked(finding: &Finding) -> Section {
    let table = Table::new("Each claim, and what was seen", ["", "claim", "seen"]);
    let table = finding.claims.iter().fold(table, |table, claim| {
        let holds = if claim.holds { "holds" } else { "FAILS" };
        table.row([holds, &claim.claim, &claim.measured])
    });
    Section::new("Checked").table(table)
}

/// A table of the kit as one of a page.
fn drawn(table: &kit::Table) -> Table {
    let empty = Table::new("", table.columns().iter().cloned());
    table.rows().iter().fold(empty, |drawn, row| drawn.row(row.iter().cloned()))
}
