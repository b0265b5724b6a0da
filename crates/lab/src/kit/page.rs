//! The HTML page of a lesson, for handing in.

use echoctl_report::{Block, Page, Section, Table};

use super::{Finding, Lesson};

/// The page of a lesson that a learner of this name has taken: question, prediction, evidence, explanation and checks.
pub fn page(lesson: &Lesson, finding: &Finding, name: Option<&str>, prediction: Option<char>) -> Page {
    let mut page = Page::new(format!("Lesson: {}", lesson.name), lesson.idea);
    if let Some(name) = name {
        page = page.open(Block::Paragraph(format!("Submitted by {name}.")));
    }
    page.section(question(lesson, prediction, finding.measured))
        .section(evidence(finding))
        .section(explanation(finding))
        .section(checks(finding))
        .section(Section::new("The code").code(lesson.code.excerpt()))
        .footer(format!("Made by echoctl {}: echoctl lesson {}", env!("CARGO_PKG_VERSION"), lesson.name))
}

fn question(lesson: &Lesson, prediction: Option<char>, measured: Option<char>) -> Section {
    let mark = |letter| match (prediction == Some(letter), measured == Some(letter)) {
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
    let section = finding.tables.iter().fold(section, |section, table| section.table(table.clone()));
    match &finding.chart {
        Some(chart) => section.chart(chart.clone()),
        None => section,
    }
}

fn explanation(finding: &Finding) -> Section {
    let section = Section::new("What it shows");
    if !finding.holds() {
        return section.paragraph(
            "The experiment did not show what it should, so there is no explanation. See the checks.",
        );
    }
    finding.explanation.iter().fold(section, |section, paragraph| section.paragraph(paragraph))
}

fn checks(finding: &Finding) -> Section {
    let table = Table::new("Each claim and what was measured", ["", "claim", "measured"]);
    let table = finding.claims.iter().fold(table, |table, claim| {
        let holds = if claim.holds { "ok" } else { "FAILED" };
        table.row([holds, &claim.claim, &claim.measured])
    });
    Section::new("Checks").table(table)
}
