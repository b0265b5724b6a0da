//! Files written at the end of a run: the recording for programs (`--record`) and the page for people (`--report`).

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use echoctl_observe::machine;
use echoctl_record::{Run, Sample};
use echoctl_report::{Page, run_page};
use echoctl_trial::decimate;

use crate::commands::report::FOOTER;
use crate::exit::Failure;
use crate::output::file::{OutputFile, check_written_after_result};

/// Files to write at the end of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Write the run to FILE, for `report` and `compare`
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    record: Option<PathBuf>,

    /// Write a self-contained HTML report to FILE
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl RecordArgs {
    /// Checks that the page can be written, for a command without a recording.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn report_file(&self) -> anyhow::Result<Option<OutputFile>> {
        self.report.as_deref().map(OutputFile::new).transpose()
    }

    /// Checks that the files can be written. `others` are options of the command that name other files.
    ///
    /// # Errors
    /// If a file cannot be written; exit 2 if two are the same.
    pub(crate) fn open(&self, others: &[(&str, Option<&Path>)]) -> Result<RunFiles, Failure> {
        let (record, report) = (self.record.as_deref(), self.report.as_deref());
        OutputFile::refuse_same(&[others, &[("--record", record), ("--report", report)]].concat())?;
        let file = |path: Option<&Path>| path.map(OutputFile::new).transpose();
        Ok(RunFiles { record: file(record)?, report: file(report)? })
    }
}

/// The files of [`RecordArgs`].
pub(crate) struct RunFiles {
    record: Option<OutputFile>,
    report: Option<OutputFile>,
}

impl RunFiles {
    /// Writes both; if one cannot be written, the other one is written all the same.
    pub(crate) fn save(
        self,
        run: &Run,
        page: impl FnOnce() -> Page,
    ) -> impl Iterator<Item = anyhow::Result<()>> {
        let record = self.record.map(|file| {
            let mut content = Vec::new();
            run.write(&mut content)?;
            file.save(content)
        });
        let report = self.report.map(|file| file.save(page().to_string()));
        [record, report].into_iter().flatten()
    }
}

/// Collects the samples of a run if a file is to be written.
pub(crate) struct Recorder {
    run: Run,
    files: RunFiles,
    /// Whether samples are collected.
    collects: bool,
}

impl Recorder {
    /// Recorder of a run against `target`.
    ///
    /// # Errors
    /// Those of [`RecordArgs::open`].
    pub(crate) fn new(args: &RecordArgs, target: String) -> Result<Recorder, Failure> {
        let files = args.open(&[])?;
        let collects = files.record.is_some() || files.report.is_some();
        Ok(Recorder { run: new_run(0, target), files, collects })
    }

    /// Collects samples also if no file is to be written at the end, for [`save_copy`](Recorder::save_copy).
    pub(crate) fn collect(&mut self) {
        self.collects = true;
    }

    /// Adds one sample.
    pub(crate) fn add(&mut self, sample: Sample) {
        if !self.collects {
            return;
        }
        self.run.samples.push(sample);
        decimate(&mut self.run.samples, MAX_SAMPLES);
    }

    /// Writes a recording of the run so far to another file, after `complete` has added the result so far.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[cfg(feature = "tui")]
    pub(crate) fn save_copy(&self, path: &Path, complete: impl FnOnce(&mut Run)) -> anyhow::Result<()> {
        let mut run = self.run.clone();
        complete(&mut run);
        let mut content = Vec::new();
        run.write(&mut content)?;
        OutputFile::new(path)?.write(content)
    }

    /// Writes the files after `complete` has added the result to the run, and prints their names on stderr. Call it after
    /// the result is printed.
    ///
    /// # Errors
    /// If a file cannot be written; the other one is written all the same.
    pub(crate) fn finish(mut self, complete: impl FnOnce(&mut Run)) -> anyhow::Result<()> {
        complete(&mut self.run);
        let run = &self.run;
        check_written_after_result(self.files.save(run, || run_page(run).footer(FOOTER)))
    }
}

/// Empty recording of a run of this command on this machine, against `target`, that began `seconds_ago`.
pub(crate) fn new_run(seconds_ago: u64, target: String) -> Run {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Run::new(env!("CARGO_PKG_VERSION"), command, now.saturating_sub(seconds_ago), target, machine())
}

/// Samples in a recording: 15 minutes at 20 per second, 3 MiB.
const MAX_SAMPLES: usize = 18_000;
