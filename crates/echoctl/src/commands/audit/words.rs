//! The verdict and its reasons in words, for the terminal and the page.

use echoctl_record::{Bytes, Class, Verdict};
use echoctl_report::tables;

use super::summary::Summary;
use crate::cli::called;

/// The verdict in words, without its name.
pub(super) fn headline(summary: &Summary) -> String {
    let target = format!("{} ({})", short(&summary.target), summary.label);
    let meaning = meaning(summary.verdict);
    if let Some(protocol) = summary.protocol.filter(|_| summary.is_untested()) {
        return format!("{target}: not tested: the server speaks {protocol}, and was sent something else");
    }
    // The size of a single request does not limit what the server buffers.
    if summary.verdict == Verdict::Unbounded && summary.attack.evidence.repeats {
        return format!("{target}: {meaning} (tested with {} of input)", Bytes(summary.figures.accepted));
    }
    format!("{target}: {meaning}")
}

/// What a verdict says about a server.
pub(super) fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Bounded => "a client that does not read has to wait; memory stays bounded",
        Verdict::Disconnects => "a client that does not read is disconnected",
        Verdict::Discards => "data that a client does not read is dropped",
        Verdict::Spills => "data that a client does not read fills the disk",
        Verdict::Starves => "while one client does not read, others are not served",
        Verdict::Corrupts => "a client that reads late gets other bytes than it should",
        Verdict::Unbounded => "a client that does not read can exhaust the server's memory",
        Verdict::Crashes => "a client that does not read can crash the server",
        Verdict::Slow => "too little moved within the time limit to judge the server",
        Verdict::Inconclusive => "the evidence does not show whether the server is safe",
    }
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
    // The first line of an echo is what was sent to it.
    let answer =
        summary.first_line.iter().filter(|line| !attack.evidence.echo && !summary.reason.contains(*line));
    lines.extend(answer.map(|line| format!("it answered: {line}")));
    lines.extend(summary.others().map(|finding| format!("also {finding}: {}", meaning(finding))));
    if summary.is_untested() {
        return lines;
    }
    lines.extend(config.script.about.iter().map(|about| format!("sent: {about}")));
    lines.extend(summary.carrier.lines());
    lines.extend(summary.projection.and_then(|projection| projection.sentence()));
    lines.push(measured(summary));
    lines.extend(tables::grown_process(&attack.evidence));
    lines.extend(tables::census(&attack.evidence));
    if attack.is_census_refused {
        lines.push(CENSUS_REFUSED.to_owned());
    }
    if rests_on_memory(summary) && !config.is_fresh {
        lines.push(format!(
            "the server was already running: memory that it freed earlier is reused without growing, so a fresh process \
             ({} audit -- CMD) gives better evidence",
            called()
        ));
    }
    if summary.verdict.class() == Class::Safe && attack.evidence.bystanders.is_none() {
        lines.push(NO_OTHER_CLIENTS.to_owned());
    }
    lines
}

fn measured(summary: &Summary) -> String {
    let counted = summary.carrier.counted().map(|counted| format!("; {counted}")).unwrap_or_default();
    let what = match (summary.attack.sees_memory, &summary.attack.upstreams[..]) {
        (false, _) => "measured: only the connection; the server's memory is not visible here".to_owned(),
        (true, []) => "measured: the connection and the memory of the server's processes".to_owned(),
        (true, upstreams) => format!(
            "measured: the connection, and the memory of the server's processes and of the servers behind it ({})",
            upstreams.join(", ")
        ),
    };
    what + &counted
}

/// Whether the verdict rests on memory that does not grow.
fn rests_on_memory(summary: &Summary) -> bool {
    let needs_growth =
        matches!(summary.verdict, Verdict::Unbounded | Verdict::Crashes | Verdict::Disconnects);
    summary.attack.sees_memory && !needs_growth
}

/// Where the kernel does not let this process read the server's memory.
const CENSUS_REFUSED: &str = "not counted: whose bytes are in the server's memory, which this user may not read (start the server \
    with -- CMD as the same user, or run the audit as root)";

/// Where the script has no question for other clients, or got no answer to it before the attack.
const NO_OTHER_CLIENTS: &str = "not measured: whether other clients are served meanwhile (the script has no request that the \
    server answers; add one as its bystander)";
