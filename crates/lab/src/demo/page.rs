//! Writes the result of the demo as one HTML page.

use echoctl_record::{Bytes, Seconds};
use echoctl_report::{Block, Page, Section, Table};

use super::{Outcome, SideOutcome, chart, story};

/// The outcome as an HTML page, whose commands to try next call the program `program`.
pub fn page(outcome: &Outcome, program: &str) -> String {
    let plan = &outcome.plan;
    let (off, on) = (&outcome.off, &outcome.on);
    let mut why = Section::new(story::heading(outcome));
    for paragraph in story::explanation(outcome) {
        why = why.paragraph(paragraph);
    }
    for problem in outcome.problems() {
        why = why.paragraph(format!("This run does not show what it should. {problem}"));
    }
    let commands = story::NEXT
        .map(|(command, what)| format!("# {what}\n{}", command.replacen("echoctl", program, 1)))
        .join("\n\n");
    Page::new("Backpressure, off and on", story::conclusion(outcome))
        .open(Block::Figures(vec![
            (off.growth(), format!("memory growth OFF: {}", story::OFF_LINE)),
            (on.growth(), format!("memory growth ON: {}", story::ON_LINE)),
        ]))
        .open(Block::Chart(Box::new(chart::memory(plan, &off.samples, &on.samples))))
        .section(why)
        .section(
            Section::new("Where the bytes were")
                .table(chart::where_the_bytes_were(outcome))
                .chart(chart::queues("OFF", outcome, off))
                .chart(chart::queues("ON", outcome, on)),
        )
        .section(Section::new("What the clients wrote").chart(chart::progress(outcome)))
        .section(Section::new("All figures").table(figures(outcome)))
        .section(Section::new("Try next").code(commands))
        .footer(concat!("Made by echoctl ", env!("CARGO_PKG_VERSION"), " demo"))
        .to_string()
}

fn figures(outcome: &Outcome) -> Table {
    let row = |name: &str, value: fn(&SideOutcome) -> String| {
        [name.to_owned(), value(&outcome.off), value(&outcome.on)]
    };
    Table::new("", ["", "OFF", "ON"])
        .row(row("written by the client", |side| Bytes(side.summary.produced).to_string()))
        .row(row("came back, every byte identical", |side| Bytes(side.summary.verified()).to_string()))
        .row(row("frames lost", |side| side.summary.integrity.unwrap_or_default().lost.to_string()))
        .row(row("frames corrupt", |side| side.summary.integrity.unwrap_or_default().mismatched.to_string()))
        .row(row("maximum memory growth of the server", SideOutcome::growth))
        .row(row("longest time that the client was held back", |side| {
            Seconds(side.summary.stalled_seconds).to_string()
        }))
        .row(row("everything came back after", |side| Seconds(side.summary.seconds).to_string()))
        .row(row("verdict", |side| {
            side.summary.verdict.map_or("none".to_owned(), |verdict| verdict.to_string())
        }))
}
