//! The result as text: the verdict in one line, the reasons, the evidence, a chart, and remedies.

use std::fmt::Write;
use std::io::IsTerminal;

use echoctl_audit::BystanderStats;
use echoctl_record::{Bytes, Seconds, Verdict};
use echoctl_report::{charts, plain, wrap};
use echoctl_verdict::audit::Cause;

use super::evidence::evidence;
use super::remedies::remedies;
use super::summary::Summary;
use crate::cli::called;
use crate::output::Styled;
use crate::output::{self, colour, terminal_size};

/// The result for a terminal or a log. `output` is what the server printed last.
pub(super) fn text(summary: &Summary, output: &str) -> Styled {
    let attack = summary.attack;
    let (columns, _) = terminal_size();
    let columns = columns.clamp(LEAST_COLUMNS, MOST_COLUMNS);
    let mut text =
        wrapped(&format!("{}  {}", summary.verdict.name().to_uppercase(), headline(summary)), 0, columns);
    for line in why(summary) {
        text += &wrapped(&line, 2, columns);
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "\n{}", evidence(summary).to_text());
    let mut styled = Styled::from(text);
    if attack.sees_memory {
        let chart = charts::memory(&attack.samples);
        let drawn = if std::io::stdout().is_terminal() && !output::is_plain() {
            Styled::chart(&chart, columns, 12, colour())
        } else {
            plain::draw(&chart, columns.min(PLAIN_COLUMNS), 12).into()
        };
        styled = styled.then("\n").then(drawn.trimmed()).then("\n");
    }
    let mut text = String::new();
    if summary.verdict == Verdict::Crashes && !output.is_empty() {
        let _ = write!(text, "\nLast output of the server:\n{output}\n");
    }
    let remedies = remedies(summary.verdict);
    if !remedies.is_empty() {
        text += "\nWhat to do:\n";
        for (name, what) in remedies {
            text += &wrapped(&format!("{name}: {what}"), 2, columns);
        }
    }
    if let Some(next) = &summary.try_next {
        text.push('\n');
        text += &wrapped(&format!("Try next: {next}"), 0, columns);
    }
    styled.then(text).trimmed()
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

/// The verdict in words, without its name.
pub(super) fn headline(summary: &Summary) -> String {
    let meaning = match summary.verdict {
        Verdict::Bounded => "a client that does not read has to wait; memory stays bounded",
        Verdict::Disconnects if is_doubtful(summary) => {
            let input = Bytes(summary.figures.server_read);
            return format!(
                "{} ({}): the server disconnected after {input} of input, perhaps because it did not understand it",
                short(&summary.target),
                summary.label
            );
        }
        Verdict::Disconnects => "a client that does not read is disconnected",
        Verdict::Discards => "data that a client does not read is dropped",
        Verdict::Spills => "data that a client does not read fills the disk",
        Verdict::Starves => "a client that does not read stops the server from serving others",
        Verdict::Corrupts => "a client that reads late does not get the bytes that it should get",
        Verdict::Unbounded => "a client that does not read can exhaust the server's memory",
        Verdict::Crashes => "a client that does not read can crash the server",
        Verdict::Slow => "too little moved within the time limit to judge the server",
        Verdict::Inconclusive => "the evidence does not show whether the server is safe",
    };
    // The size of a single request does not limit what the server buffers.
    let extent = if summary.verdict == Verdict::Unbounded && summary.attack.evidence.repeats {
        format!(" (tested with {} of input)", Bytes(summary.figures.accepted))
    } else {
        String::new()
    };
    format!("{} ({}): {meaning}{extent}", short(&summary.target), summary.label)
}

/// Whether a connection that was closed may have been closed for another reason than a client that does not read.
fn is_doubtful(summary: &Summary) -> bool {
    summary.attack.judgement.cause == Cause::ClosedEarly || summary.damaged_at == Some(0)
}

/// A command on one short line.
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
pub(super) fn why(summary: &Summary) -> Vec<String> {
    let Summary { attack, config, .. } = summary;
    let mut lines = vec![summary.reason.clone()];
    if summary.damaged_at == Some(0) {
        lines.push("the replies differ from the input, so this is not an echo server: choose a preset of its protocol".to_owned());
    }
    lines.extend(config.script.about.iter().map(|about| format!("sent: {about}")));
    lines.push(match (attack.sees_memory, &attack.upstreams[..]) {
        (false, _) => "measured: only the connection; the server's memory is not visible here".to_owned(),
        (true, []) => {
            "measured: both ends of the connection and the memory of the server's processes".to_owned()
        }
        (true, upstreams) => format!(
            "measured: the connection, and the memory of the server's processes and of the servers behind it ({})",
            upstreams.join(", ")
        ),
    });
    let rests_on_memory =
        !matches!(summary.verdict, Verdict::Unbounded | Verdict::Crashes | Verdict::Disconnects);
    if attack.sees_memory && rests_on_memory && !config.is_fresh {
        lines.push(format!(
            "the server was already running: memory that it freed earlier is reused without growing, so a fresh process \
             ({} audit -- CMD) gives better evidence",
            called()
        ));
    }
    if let Some(stats) = &attack.bystander {
        lines.push(bystander(stats));
    }
    lines
}

/// How a healthy client was served.
fn bystander(stats: &BystanderStats) -> String {
    let replies = stats.replies;
    let (p99, longest) = (Seconds(stats.p99), Seconds(stats.longest));
    if stats.is_starved() {
        return format!(
            "meanwhile a healthy client was STARVED: it sent {replies} requests and waited up to {longest} for a reply"
        );
    }
    let waits = match replies {
        1 => format!("its only request was answered within {longest}"),
        // Of fewer than 100 times, the 99th percentile is the longest.
        2..100 => format!("each of its {replies} requests was answered within {longest}"),
        _ => {
            format!("99 % of its {replies} requests were answered within {p99}, the slowest within {longest}")
        }
    };
    format!("meanwhile a healthy client was served: {waits}")
}

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
