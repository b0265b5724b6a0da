//! What is kept: the page for people, the record for programs, and the test for CI.

use std::path::Path;

use echoctl_audit::Outcome;
use echoctl_record::{Run, Verdict};
use echoctl_report::{Page, Section, Table, charts};

use super::junit::junit;
use super::remedies::remedies;
use super::summary::Summary;
use super::told::{evidence, headline, why};
use crate::exit::Failure;
use crate::output_file::{OutputFile, check_written_after_result, write_record};
use crate::recording::new_run;

/// The files that an audit writes when it is over.
pub(super) struct Files {
    junit: Option<OutputFile>,
    report: Option<OutputFile>,
    record: Option<OutputFile>,
}

impl Files {
    /// Those that are wanted.
    ///
    /// # Errors
    /// When one cannot be written, before any time is spent on the audit; exit 2 when two are the same.
    pub(super) fn new(
        junit: Option<&Path>,
        report: Option<&Path>,
        record: Option<&Path>,
    ) -> Result<Files, Failure> {
        OutputFile::refuse_same(&[("--junit", junit), ("--report", report), ("--record", record)])?;
        let file = |path: Option<&Path>| path.map(OutputFile::new).transpose();
        Ok(Files { junit: file(junit)?, report: file(report)?, record: file(record)? })
    }

    /// Writes them: each, whatever becomes of the others.
    ///
    /// # Errors
    /// Which could not be written.
    pub(super) fn write(
        self,
        summary: &Summary,
        attack: &Outcome,
        expected: Option<Verdict>,
    ) -> anyhow::Result<()> {
        let text = |file: OutputFile, text: String| file.write(|to| to.write_all(text.as_bytes()));
        let written = [
            self.junit.map(|file| text(file, junit(summary, expected))),
            self.report.map(|file| text(file, page(summary, attack).to_string())),
            self.record.map(|file| file.write(|to| write_record(&record(summary, attack), to))),
        ];
        check_written_after_result(written.into_iter().flatten())
    }
}

/// The page of an audit.
fn page(summary: &Summary, attack: &Outcome) -> Page {
    let title = format!("{}: {}", summary.verdict.name(), summary.target);
    let mut reasons = Section::new("Why");
    for line in why(summary, attack) {
        reasons = reasons.paragraph(line);
    }
    let mut page =
        Page::new(title, headline(summary)).section(reasons.table(evidence(summary, attack))).section(
            Section::new("How it went")
                .chart(charts::memory(&attack.samples))
                .chart(charts::queues(&attack.samples))
                .chart(charts::window(&attack.samples)),
        );
    let advice = remedies(summary.verdict);
    if !advice.is_empty() {
        let mut table = Table::new("Remedies", ["remedy", "what it is, and what it costs"]);
        for (name, what) in advice {
            table = table.row([*name, *what]);
        }
        page = page.section(Section::new("What to do").table(table));
    }
    if let Some(next) = &summary.try_next {
        page = page.section(Section::new("What to try next").paragraph(next.clone()));
    }
    page
}

/// The record: what `echoctl report` draws, with the evidence to judge it by again.
fn record(summary: &Summary, attack: &Outcome) -> Run {
    let mut run = new_run(summary.seconds as u64, summary.addr.to_string(), echoctl_observe::machine());
    let last = attack.samples.last().copied().unwrap_or_default();
    run.samples.clone_from(&attack.samples);
    run.summary = Some(echoctl_record::Summary {
        seconds: summary.seconds,
        connections: summary.connections,
        produced: last.produced,
        consumed: last.consumed,
        stalled_seconds: summary.figures.stalled_seconds,
        server_pid: summary.pids.first().copied(),
        server_memory_growth: summary.figures.memory_growth,
        inside_server: summary.figures.inside_server,
        verdict: Some(summary.verdict),
        reason: Some(summary.reason.clone()),
        ..echoctl_record::Summary::new(summary.addr.to_string())
    });
    run.evidence = Some(attack.evidence.clone());
    run
}
