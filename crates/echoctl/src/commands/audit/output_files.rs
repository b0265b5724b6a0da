//! The files that an audit writes: the page, the recording, and the JUnit report.

use std::path::Path;

use echoctl_audit::AuditOutcome;
use echoctl_record::Verdict;

use super::junit::junit;
use super::page::page;
use super::record::record;
use super::summary::Summary;
use crate::exit::Failure;
use crate::output::file::{OutputFile, check_written_after_result};

/// The files that an audit writes when it is over.
pub(super) struct OutputFiles {
    junit: Option<OutputFile>,
    report: Option<OutputFile>,
    record: Option<OutputFile>,
}

impl OutputFiles {
    /// Checks that the requested files can be written, before the audit begins.
    ///
    /// # Errors
    /// When one of them cannot; exit 2 when two are the same.
    pub(super) fn new(
        junit: Option<&Path>,
        report: Option<&Path>,
        record: Option<&Path>,
    ) -> Result<OutputFiles, Failure> {
        OutputFile::refuse_same(&[("--junit", junit), ("--report", report), ("--record", record)])?;
        let file = |path: Option<&Path>| path.map(OutputFile::new).transpose();
        Ok(OutputFiles { junit: file(junit)?, report: file(report)?, record: file(record)? })
    }

    /// Writes all of them, even if one fails.
    ///
    /// # Errors
    /// Names the files that could not be written.
    pub(super) fn write(
        self,
        summary: &Summary,
        attack: &AuditOutcome,
        expected: Option<Verdict>,
    ) -> anyhow::Result<()> {
        let run = record(summary, attack);
        let written = [
            self.junit.map(|file| file.save(&junit(summary, expected))),
            self.report.map(|file| file.save(&page(summary, attack, &run).to_string())),
            self.record.map(|file| file.save_run(&run)),
        ];
        check_written_after_result(written.into_iter().flatten())
    }
}
