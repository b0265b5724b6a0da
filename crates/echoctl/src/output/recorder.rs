//! Files written at the end of a run: the recording for programs (`--record`) and the page for people (`--report`).

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use echoctl_record::{Machine, Run, Sample, decimate};
use echoctl_report::run_page;

use crate::commands::report::FOOTER;
use crate::exit::Failure;
use crate::output::file::{OutputFile, check_written_after_result};

/// Files to write at the end of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Write all samples to FILE, for `report` and `compare`
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    record: Option<PathBuf>,

    /// Write a self-contained HTML report to FILE
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Collects the samples of a run if a file is to be written.
pub(crate) struct Recorder {
    run: Run,
    record: Option<OutputFile>,
    report: Option<OutputFile>,
}

impl Recorder {
    /// Recorder of a run against `target`.
    ///
    /// # Errors
    /// If a file cannot be written, or if both are the same.
    pub(crate) fn new(args: &RecordArgs, target: String, machine: Machine) -> Result<Recorder, Failure> {
        let named = [("--record", args.record.as_deref()), ("--report", args.report.as_deref())];
        OutputFile::refuse_same(&named)?;
        Ok(Recorder {
            run: new_run(0, target, machine),
            record: args.record.as_deref().map(OutputFile::new).transpose()?,
            report: args.report.as_deref().map(OutputFile::new).transpose()?,
        })
    }

    /// Adds one sample.
    pub(crate) fn add(&mut self, sample: Sample) {
        if self.record.is_none() && self.report.is_none() {
            return;
        }
        self.run.samples.push(sample);
        decimate(&mut self.run.samples, MAX_SAMPLES);
    }

    /// Writes the files after `complete` has added the result to the run, and prints their names on stderr. Call it after
    /// the result is printed.
    ///
    /// # Errors
    /// If a file cannot be written; the other one is written all the same.
    pub(crate) fn finish(mut self, complete: impl FnOnce(&mut Run)) -> anyhow::Result<()> {
        complete(&mut self.run);
        let record = self.record.take().map(|file| file.save_run(&self.run));
        let report =
            self.report.take().map(|file| file.save(&run_page(&self.run).footer(FOOTER).to_string()));
        check_written_after_result([record, report].into_iter().flatten())
    }
}

/// Empty recording of a run of this command against `target` that began `seconds_ago`.
pub(crate) fn new_run(seconds_ago: u64, target: String, machine: Machine) -> Run {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Run::new(env!("CARGO_PKG_VERSION"), command, now.saturating_sub(seconds_ago), target, machine)
}

/// Samples in a recording: 15 minutes at 20 per second, 3 MiB.
const MAX_SAMPLES: usize = 18_000;
