//! The result of a flood: its verdict, its summary, and how they are printed and recorded.

use std::io;

use echoctl_client::Reading;
use echoctl_observe::MemoryShare;
use echoctl_record::{Ending, Run, Seconds, Summary, Verdict};
use echoctl_report::{path, wrap};
use echoctl_trial::TrialOutcome;
use echoctl_verdict::Judgement;
use echoctl_verdict::flood::{Cause, judge};

use super::progress::unwritten;
use super::sentences;
use crate::address;
use crate::cli::called;
use crate::cli::help::renamed;
use crate::commands::advice;
use crate::consent::ECHO_HINT;
use crate::output::{self, json_line, print, terminal_size};

/// A flood that has ended.
pub(super) struct FloodResult<'a> {
    outcome: &'a TrialOutcome,
    target: &'a str,
    memory: MemoryShare,
    /// The verdict on the server, if the run was a test of it.
    judgement: Option<Judgement<Cause>>,
    summary: Summary,
}

impl<'a> FloodResult<'a> {
    /// Judges the run against `target`, whose memory was allowed to grow by `memory`.
    pub(super) fn new(
        outcome: &'a TrialOutcome,
        target: &'a str,
        server_pid: Option<u32>,
        memory: MemoryShare,
    ) -> FloodResult<'a> {
        let judgement = outcome.evidence().map(|(evidence, observed)| judge(evidence, observed));
        let summary = Summary {
            server_pid,
            verdict: judgement.as_ref().map(|judgement| judgement.verdict),
            reason: judgement.as_ref().map(|judgement| judgement.reason.clone()),
            ..outcome.summary(target.to_owned())
        };
        FloodResult { outcome, target, memory, judgement, summary }
    }

    /// Adds the result to the recording.
    pub(super) fn complete(self, run: &mut Run) {
        run.samples = self.outcome.history.samples().copied().collect();
        run.connections.clone_from(&self.outcome.connections);
        run.ending = Some(Ending::Flood { summary: self.summary });
    }

    /// Prints the result on stdout, and what was wrong on stderr.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        let printed = match json {
            true => json_line("summary", &self.summary),
            false => self.print_text(),
        };
        for fault in sentences::faults(self.outcome) {
            output::error(fault);
        }
        if self.may_differ_in_framing() {
            output::note(format_args!("hint: {ECHO_HINT}"));
        }
        printed
    }

    /// Whether frames did not come back, or the server closed a connection before any reply: it may decode other frames.
    fn may_differ_in_framing(&self) -> bool {
        let reads = !matches!(self.outcome.config.reading, Reading::Nothing);
        let totals = &self.outcome.client.totals;
        reads && (totals.lost > 0 || totals.consumed == 0 && self.outcome.client.was_closed())
    }

    fn print_text(&self) -> io::Result<()> {
        let (outcome, summary) = (self.outcome, &self.summary);
        let width = terminal_size().0.min(MAX_COLUMNS);
        let peaks = outcome.peaks();
        let has_table = summary.consumed < summary.produced || summary.verdict.is_some();
        if peaks.pending.produced > 0 && has_table {
            output::flush_notes();
            let caption = format!(
                "Where the bytes were after {}, with the most pending (sent, not read back):",
                Seconds(peaks.pending.t)
            );
            print(format_args!("\n{}\n", wrap(&caption, width).join("\n")))?;
            print(path::table(&peaks.pending, unwritten(&peaks.pending, peaks.growth())))?;
        }
        let tested = self.judgement.as_ref().and_then(|_| sentences::kernel_queues(outcome));
        let many = match summary.verdict {
            Some(Verdict::Bounded) => sentences::many_such_clients(outcome),
            _ => None,
        };
        let verdict = self.judgement.as_ref().map(|judgement| {
            [Some(sentences::verdict(judgement)), many].into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        let try_next = self.try_next().map(|what| format!("Try next: {}.", renamed(&what, called())));
        print("")?;
        for text in [tested, Some(self.text()), verdict, try_next].into_iter().flatten() {
            for line in wrap(&text, width) {
                print(line)?;
            }
        }
        Ok(())
    }

    /// What happened to the bytes, and why the run stopped.
    fn text(&self) -> String {
        let (outcome, summary) = (self.outcome, &self.summary);
        // The reason of these verdicts contains it.
        let is_explained = matches!(summary.verdict, Some(Verdict::Inconclusive | Verdict::Discards));
        let doubt = if is_explained { None } else { sentences::missing_from_memory(summary) };
        let over_memory = outcome.is_over_memory.then(|| {
            format!("Stopped because the server's memory had grown by {} (--memory-limit).", self.memory)
        });
        let text = [
            Some(sentences::came_back(outcome)),
            sentences::drained(outcome),
            sentences::held_back(outcome),
            doubt,
            over_memory,
            sentences::stopped_early(outcome),
        ];
        text.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The advice of the verdict; after one that leaves no question, the command that shows the same queues from outside.
    fn try_next(&self) -> Option<String> {
        let judgement = self.judgement.as_ref()?;
        let is_settled =
            matches!(judgement.verdict, Verdict::Bounded | Verdict::Unbounded | Verdict::Discards);
        let watching =
            || format!("{} during a flood, for the queues of each connection", watch_of(self.target));
        judgement.advice.map(advice::text).or_else(|| is_settled.then(watching))
    }
}

/// The command that watches a server. What listens on another host is visible only there.
fn watch_of(target: &str) -> String {
    let addrs = address::to_connect(target).unwrap_or_default();
    match addrs.first() {
        Some(addr) if !addr.ip().to_canonical().is_loopback() => {
            format!("on the server's host, echoctl watch {}", addr.port())
        }
        _ => format!("echoctl watch {target}"),
    }
}

/// Columns of readable text.
const MAX_COLUMNS: usize = 100;
