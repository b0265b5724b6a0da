//! The HTML page of a lesson, for handing in.

use echoctl_report::{Block, Page, Section, Table};

use super::{Finding, Lesson};

/// The page of a lesson that a learner of this name has taken: question, prediction, evidence, explanation and checks.
pub fn page(lesson: &Lesson, finding: &Finding, name: Option<&str>, prediction: Option<char>) -> Page {
    submitted(Page::new(format!("Lesson: {}", lesson.name), lesson.idea), name)
        .section(question(Section::new("The question"), lesson, prediction, finding.measured))
        .section(evidence(Section::new("Measured"), finding))
        .section(explanation(Section::new("What it shows"), finding))
        .section(checks(Section::new("Checks"), finding))
        .section(Section::new("The code").code(lesson.code.excerpt()))
        .footer(format!("Made by echoctl {}: echoctl lesson {}", env!("CARGO_PKG_VERSION"), lesson.name))
}

/// The page of several lessons, each with its finding and prediction: one section per lesson, without the code.
pub fn course_page<'a>(
    lessons: impl IntoIterator<Item = (&'a Lesson, &'a Finding, Option<char>)>,
    name: Option<&str>,
) -> Page {
    let page = Page::new("The lessons", "Socket programming in short experiments on one machine");
    lessons
        .into_iter()
        .fold(submitted(page, name), |page, (lesson, finding, prediction)| {
            let section = Section::new(format!("{}: {}", lesson.name, lesson.idea));
            let section = evidence(question(section, lesson, prediction, finding.measured), finding);
            page.section(checks(explanation(section, finding), finding))
        })
        .footer(format!("Made by echoctl {}: echoctl lesson all", env!("CARGO_PKG_VERSION")))
}

fn submitted(page: Page, name: Option<&str>) -> Page {
    match name {
        Some(name) => page.open(Block::Paragraph(format!("Submitted by {name}."))),
        None => page,
    }
}

fn question(section: Section, lesson: &Lesson, prediction: Option<char>, measured: Option<char>) -> Section {
    let mark = |letter| match (prediction == Some(letter), measured == Some(letter)) {
        (true, true) => "predicted and measured",
        (true, false) => "predicted",
        (false, true) => "measured",
        (false, false) => "",
    };
    let choices = lesson.question.lettered().fold(Table::default(), |table, (letter, choice)| {
        table.row([format!("{letter})"), choice.to_owned(), mark(letter).to_owned()])
    });
    section.paragraph(lesson.question.text).table(choices)
}

fn evidence(section: Section, finding: &Finding) -> Section {
    let section = finding.tables.iter().fold(section, |section, table| section.table(table.clone()));
    match &finding.chart {
        Some(chart) => section.chart(chart.clone()),
        None => section,
    }
}

fn explanation(section: Section, finding: &Finding) -> Section {
    if !finding.holds() {
        return section.paragraph(
            "The experiment did not show what it should, so there is no explanation. See the checks.",
        );
    }
    finding.explanation.iter().fold(section, |section, paragraph| section.paragraph(paragraph))
}

fn checks(section: Section, finding: &Finding) -> Section {
    let table = Table::new("Each claim and what was measured", ["", "claim", "measured"]);
    section.table(finding.claims.iter().fold(table, |table, claim| {
        let holds = if claim.holds { "ok" } else { "FAILED" };
        table.row([holds, &claim.claim, &claim.measured])
    }))
}
