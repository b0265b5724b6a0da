//! The result as text: the verdict in one line, the reasons, the evidence, a chart, and remedies.

use std::fmt::{Display, Write};
use std::io::IsTerminal;

use echoctl_record::{Class, Verdict, printable};
use echoctl_report::{charts, plain, wrap};

use super::command;
use super::evidence::{evidence, other_clients};
use super::remedies::remedies;
use super::summary::Summary;
use super::words::{headline, why};
use crate::output::Styled;
use crate::output::{self, colour, terminal_size};

/// The result for a terminal or a log. `output` is what the server printed last.
pub(super) fn text(summary: &Summary, output: &str) -> Styled {
    let (columns, _) = terminal_size();
    let columns = columns.clamp(LEAST_COLUMNS, MOST_COLUMNS);
    let mut text =
        wrapped(&format!("{}  {}", summary.verdict.name().to_uppercase(), headline(summary)), 0, columns);
    for line in why(summary) {
        text += &wrapped(&line, 2, columns);
    }
    let styled = match summary.is_untested() {
        true => Styled::from(text),
        false => Styled::from(text).then(measured(summary, columns)),
    };
    let mut text = String::new();
    if summary.verdict == Verdict::Crashes && !output.is_empty() {
        let _ = write!(text, "\nLast output of the server:\n{output}\n");
    }
    let remedies = remedies(summary);
    text += &list("What to do", &remedies, columns);
    if summary.verdict.class() == Class::Unsafe {
        text += &with_command("Repeat after a fix", &command::this(), columns);
    }
    if let Some(next) = &summary.try_next {
        let sentence = format!("Try next: {}", next.what);
        text += &match &next.command {
            Some(command) => with_command(&sentence, command, columns),
            None => format!("\n{}", wrapped(&sentence, 0, columns)),
        };
    }
    styled.then(text).trimmed()
}

/// The figures, how other clients were served, and the chart.
fn measured(summary: &Summary, columns: usize) -> Styled {
    let attack = summary.attack;
    let clients = list("Other clients", &other_clients(summary), columns);
    let styled = Styled::from(format!("\n{}{clients}", evidence(summary).to_text_within(columns)));
    if !attack.sees_memory {
        return styled;
    }
    let chart = charts::memory(&attack.samples);
    let drawn = if std::io::stdout().is_terminal() && !output::is_plain() {
        Styled::chart(&chart, columns, 12, colour())
    } else {
        plain::draw(&chart, columns.min(PLAIN_COLUMNS), 12).into()
    };
    styled.then("\n").then(drawn.trimmed()).then("\n")
}

/// A heading, and under it each name with its text; empty if there are none.
fn list<N: Display, T: Display>(heading: &str, entries: &[(N, T)], columns: usize) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let entries = entries.iter().map(|(name, text)| wrapped(&format!("{name}: {text}"), 2, columns));
    format!("\n{heading}:\n{}", entries.collect::<String>())
}

/// A sentence, and a command on a line of its own, which is not wrapped, so that it can be pasted.
fn with_command(sentence: &str, command: &str, columns: usize) -> String {
    format!("\n{}  {}\n", wrapped(&format!("{sentence}:"), 0, columns), printable(command))
}

/// A paragraph wrapped at `columns` and indented by `indent`, with two more spaces from the second line on.
fn wrapped(text: &str, indent: usize, columns: usize) -> String {
    let (first, later) = (" ".repeat(indent), " ".repeat(indent + 2));
    let lines = wrap(text, columns - indent - 2);
    format!("{first}{}\n", lines.join(&format!("\n{later}")))
}

/// The narrowest text: long words often do not fit into less.
const LEAST_COLUMNS: usize = 40;

/// The widest text: longer lines are hard to read, and charts show no more.
const MOST_COLUMNS: usize = 100;

/// The width of a chart in a file or a pipe: 80 columns without the last two, which some programs wrap.
const PLAIN_COLUMNS: usize = 78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_wrap_at_words_within_the_columns() {
        let text = "the server stopped reading after 4.2 MiB of input: nothing moved for 3.6 s";

        let lines = wrapped(text, 2, 40);

        assert!(lines.lines().all(|line| line.chars().count() <= 40), "{lines}");
        assert!(
            lines.starts_with("  the server") && lines.lines().skip(1).all(|line| line.starts_with("    "))
        );
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
    }
}
