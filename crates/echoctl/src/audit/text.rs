//! What is told to people: the verdict in a line, why in three, the evidence, the chart, what to do.

use std::fmt::Write;
use std::io::IsTerminal;

use echoctl_audit::AuditOutcome;
use echoctl_lab::kit::wrap;
use echoctl_record::{Bytes, Sample, Seconds, Verdict};
use echoctl_report::{Table, charts, plain};

use super::remedies::remedies;
use super::summary::Summary;
use crate::output::Styled;
use crate::output::{colour, terminal_size};

/// The whole report for a terminal or a log.
pub(super) fn text(summary: &Summary, attack: &AuditOutcome, output: &str) -> Styled {
    let (columns, _) = terminal_size();
    let columns = columns.clamp(LEAST_COLUMNS, MOST_COLUMNS);
    let mut text =
        hung(&format!("{}  {}", summary.verdict.name().to_uppercase(), headline(summary)), 0, columns);
    for line in why(summary, attack) {
        text += &hung(&line, 2, columns);
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "\n{}", evidence(summary, attack).to_text());
    let mut told = Styled::from(text);
    if attack.sees_memory {
        let chart = charts::memory(&attack.samples);
        let drawn = if std::io::stdout().is_terminal() {
            Styled::chart(&chart, columns, 12, colour())
        } else {
            plain::draw(&chart, 78, 12).into()
        };
        told = told.then("\n").then(drawn.trimmed()).then("\n");
    }
    let mut text = String::new();
    if summary.verdict == Verdict::Crashes && !output.is_empty() {
        let _ = write!(text, "\nIt printed:\n{output}\n");
    }
    let remedies = remedies(summary.verdict);
    if !remedies.is_empty() {
        text += "\nWhat to do:\n";
        for (name, what) in remedies {
            text += &hung(&format!("{name}: {what}"), 2, columns);
        }
    }
    if let Some(next) = &summary.try_next {
        text.push('\n');
        text += &hung(&format!("Try next: {next}"), 0, columns);
    }
    told.then(text).trimmed()
}

/// A paragraph of at most `columns`, set in by `indent`, its later lines by two more.
fn hung(text: &str, indent: usize, columns: usize) -> String {
    let (first, later) = (" ".repeat(indent), " ".repeat(indent + 2));
    let lines = wrap(text, columns - indent - 2);
    let mut hung = String::new();
    for (index, line) in lines.iter().enumerate() {
        hung += if index == 0 { &first } else { &later };
        hung += line;
        hung.push('\n');
    }
    hung
}

/// Columns for text: below these a word often does not fit, …
const LEAST_COLUMNS: usize = 40;

/// … and above these lines are hard to read, and charts say no more.
const MOST_COLUMNS: usize = 100;

/// What the verdict says, in words.
pub(super) fn headline(summary: &Summary) -> String {
    let meaning = match summary.verdict {
        Verdict::Bounded => "a client that does not read is made to wait; its memory is safe",
        Verdict::Disconnects => "a client that does not read is disconnected",
        Verdict::Discards => "what a client does not read is not kept",
        Verdict::Spills => "what a client does not read fills the disk",
        Verdict::Unbounded => "a client that does not read can exhaust its memory",
        Verdict::Crashes => "a client that does not read brings it down",
        Verdict::Slow => "too little happened in the time for a verdict",
        Verdict::Inconclusive => "this run does not allow a verdict",
    };
    let to = if summary.verdict == Verdict::Unbounded {
        format!(" (to the {} sent)", Bytes(summary.figures.accepted))
    } else {
        String::new()
    };
    format!("{}, {}: {meaning}{to}", short(&summary.target), summary.shape)
}

/// A command as one short line.
fn short(target: &str) -> String {
    let line = target.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_NAME {
        return line;
    }
    line.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// Characters of a command in a headline.
const LONGEST_NAME: usize = 60;

/// Why, in a few lines.
pub(super) fn why(summary: &Summary, attack: &AuditOutcome) -> Vec<String> {
    let mut lines = vec![summary.reason.clone()];
    lines.extend(summary.about.iter().map(|about| format!("it was sent: {about}")));
    let rests = match (attack.sees_memory, &attack.upstreams[..]) {
        (false, _) => "it rests on the wire alone: the server's memory is not visible here".to_owned(),
        (true, []) => {
            "it rests on both ends of the connection and the memory of the server's processes".to_owned()
        }
        (true, behind) => format!("watched too, as it stands behind the server: {}", behind.join(", ")),
    };
    lines.push(rests);
    let trusts_memory =
        !matches!(summary.verdict, Verdict::Unbounded | Verdict::Crashes | Verdict::Disconnects);
    if attack.sees_memory && trusts_memory && !summary.is_fresh {
        lines.push(
            "the server was running before: memory that it freed earlier is used again without growing, so a fresh \
             process is the surer target (echoctl audit -- CMD)"
                .to_owned(),
        );
    }
    if let Some(stats) = &attack.bystander {
        lines.push(format!(
            "a healthy client beside it was {}: 99 % of its {} answers came within {}, the longest wait was {}",
            if stats.is_starved { "STARVED" } else { "served" },
            stats.answers,
            Seconds(stats.p99),
            Seconds(stats.longest)
        ));
    }
    lines
}

/// The figures as a table: first the bytes, then memory as the chart shows it and the part of it that is growth.
pub(super) fn evidence(summary: &Summary, attack: &AuditOutcome) -> Table {
    let figures = &summary.figures;
    let none = "not visible here".to_owned();
    let bytes = |value: Option<u64>| value.map_or_else(|| none.clone(), |value| Bytes(value).to_string());
    let most = |memory: fn(&Sample) -> Option<u64>| attack.samples.iter().filter_map(memory).max();
    let mut table = Table::new("Evidence", [] as [String; 0])
        .row(["accepted by its kernel".to_owned(), Bytes(figures.accepted).to_string()])
        .row(["read by the server".to_owned(), Bytes(figures.server_read).to_string()])
        .row(["written by the server".to_owned(), Bytes(figures.server_written).to_string()]);
    if figures.inside_server.is_some() {
        table = table.row(["read and not written back".to_owned(), bytes(figures.inside_server)]);
    }
    table = table
        .row(["read out at the end".to_owned(), Bytes(figures.drained).to_string()])
        .row([
            "  of it not in the kernel's queues".to_owned(),
            Bytes(figures.drained_beyond_kernels).to_string(),
        ])
        .row(["server memory, in all, at most".to_owned(), bytes(most(|sample| sample.server_memory))])
        .row(["  grown while nobody read".to_owned(), bytes(figures.memory_growth)]);
    if let Some(slope) = figures.slope {
        table = table.row(["  grown for each byte it read".to_owned(), format!("{slope:.2} bytes")]);
    }
    table = table
        .row(["kernel memory, both ends, at most".to_owned(), bytes(most(|sample| sample.kernel_memory))])
        .row(["  while nobody read".to_owned(), bytes(figures.kernel_memory)]);
    table = match figures.stalled_seconds {
        still if still < LEAST_STILL => table.row(["moved until the attack ended", "yes"]),
        still => table.row(["input and output stood still for".to_owned(), Seconds(still).to_string()]),
    };
    table = table.row(["attacked for".to_owned(), Seconds(figures.attack_seconds).to_string()]);
    if summary.damaged_at == Some(0) {
        table = table.row(["the answers", "differ from what was sent: no echo server"]);
    } else {
        if let Some(lost) = figures.lost {
            let lost = if lost == 0 { "none".to_owned() } else { Bytes(lost).to_string() };
            table = table.row(["echo that never came back".to_owned(), lost]);
        }
        if let Some(at) = summary.damaged_at {
            table = table.row(["echo differs first at byte".to_owned(), at.to_string()]);
        }
    }
    if let Some(projection) = &summary.projection {
        table = table.row([
            format!("{} such connections", projection.connections),
            format!(
                "{} in the server, {} in the kernel",
                Bytes(projection.server_memory),
                Bytes(projection.kernel_memory)
            ),
        ]);
    }
    table
}

/// Seconds without movement below which there was none to speak of: a sample or two.
const LEAST_STILL: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_between_words_and_keep_to_the_columns() {
        let text = "the server stopped reading after 4.2 MiB of input: nothing moved for 3.6 s";

        let hung = hung(text, 2, 40);

        assert!(hung.lines().all(|line| line.chars().count() <= 40), "{hung}");
        assert!(
            hung.starts_with("  the server") && hung.lines().skip(1).all(|line| line.starts_with("    "))
        );
        assert_eq!(hung.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
    }
}
