//! What is told to people: the verdict in a line, why in three, the evidence, the chart, what to do.

use std::fmt::Write;

use echoctl_audit::Outcome;
use echoctl_record::{Bytes, Seconds, Verdict};
use echoctl_report::{Table, charts, plain, terminal};

use super::remedies::remedies;
use super::summary::Summary;
use crate::output::{colour, terminal_size};

/// The whole report for a terminal or a log.
pub(super) fn told(summary: &Summary, attack: &Outcome, output: &str) -> String {
    let mut text = format!("{}  {}\n", summary.verdict.name().to_uppercase(), headline(summary));
    // Writing to a String cannot fail.
    for line in why(summary, attack) {
        let _ = writeln!(text, "  {line}");
    }
    let _ = write!(text, "\n{}", evidence(summary).to_text());
    let (columns, _) = terminal_size();
    let chart = charts::memory(&attack.samples);
    let colour = colour();
    let drawn = if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        terminal::draw(&chart, columns.min(100), 12, colour)
    } else {
        plain::draw(&chart, 78, 12)
    };
    if attack.sees_memory {
        let _ = write!(text, "\n{}\n", drawn.trim_end());
    }
    if summary.verdict == Verdict::Crashes && !output.is_empty() {
        let _ = write!(text, "\nIt printed:\n{output}\n");
    }
    let remedies = remedies(summary.verdict);
    if !remedies.is_empty() {
        text += "\nWhat to do:\n";
        for (name, what) in remedies {
            let _ = writeln!(text, "  {name}: {what}");
        }
    }
    if let Some(next) = &summary.try_next {
        let _ = writeln!(text, "\nTry next: {next}");
    }
    text.truncate(text.trim_end().len());
    text
}

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

/// Why, in three lines at most.
pub(super) fn why(summary: &Summary, attack: &Outcome) -> Vec<String> {
    let mut lines = vec![summary.reason.clone()];
    let rests = match (attack.sees_memory, &attack.upstreams[..]) {
        (false, _) => "it rests on the wire alone: the server's memory is not visible here".to_owned(),
        (true, []) => {
            "it rests on both ends of the connection and the memory of the server's processes".to_owned()
        }
        (true, behind) => format!("watched too, as it stands behind the server: {}", behind.join(", ")),
    };
    lines.push(rests);
    if let Some(served) = &attack.bystander {
        lines.push(format!(
            "a healthy client beside it was {}: 99 % of its {} answers came within {}, the longest wait was {}",
            if served.is_starved { "STARVED" } else { "served" },
            served.answers,
            Seconds(served.p99),
            Seconds(served.longest)
        ));
    }
    lines
}

/// The figures as a table.
pub(super) fn evidence(summary: &Summary) -> Table {
    let figures = &summary.figures;
    let none = "not visible here".to_owned();
    let bytes = |value: Option<u64>| value.map_or_else(|| none.clone(), |value| Bytes(value).to_string());
    let mut table = Table::new("Evidence", [] as [String; 0])
        .row(["accepted by its kernel".to_owned(), Bytes(figures.accepted).to_string()])
        .row(["read by the server".to_owned(), Bytes(figures.taken).to_string()])
        .row(["written by the server".to_owned(), Bytes(figures.given).to_string()]);
    if figures.inside_server.is_some() {
        table = table.row(["read and not written back".to_owned(), bytes(figures.inside_server)]);
    }
    table = table
        .row(["read out at the end".to_owned(), Bytes(figures.read_out).to_string()])
        .row([
            "  of it not in the kernel's queues".to_owned(),
            Bytes(figures.read_out_beyond_kernels).to_string(),
        ])
        .row(["server memory grew by".to_owned(), bytes(figures.memory_growth)]);
    if let Some(slope) = figures.slope {
        table = table.row(["  kept a byte taken".to_owned(), format!("{slope:.2}")]);
    }
    table = table
        .row(["kernel memory of its sockets".to_owned(), bytes(figures.kernel_memory)])
        .row(["nothing moved for".to_owned(), Seconds(figures.still).to_string()])
        .row(["attacked for".to_owned(), Seconds(figures.attacked).to_string()]);
    if let Some(lost) = figures.lost {
        let lost = if lost == 0 { "nothing".to_owned() } else { Bytes(lost).to_string() };
        table = table.row(["lost of the echo".to_owned(), lost]);
    }
    if summary.damaged_at == Some(0) {
        table = table.row(["the answers".to_owned(), "are no echo".to_owned()]);
    } else if let Some(at) = summary.damaged_at {
        table = table.row(["first damage in the echo at byte".to_owned(), at.to_string()]);
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
