//! What is kept of a run: the record for programs (`--record`), and the page for people (`--report`).

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use echoctl_record::{Machine, Run, Sample, decimate};
use echoctl_report::run_page;

use crate::exit::Failure;
use crate::output::note;
use crate::output_file::{OutputFile, check_written_after_result, write_record};

/// Where a run is to be kept.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Record all samples in this file, for echoctl report and echoctl compare
    #[arg(long, value_name = "FILE.json")]
    record: Option<PathBuf>,

    /// Draw the run in this page, which needs no network
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Collects the samples of a run, if it is to be kept.
pub(crate) struct Recorder {
    run: Run,
    record: Option<OutputFile>,
    report: Option<OutputFile>,
}

impl Recorder {
    /// A recorder of a run against `target`.
    ///
    /// # Errors
    /// When a file cannot be written, or both are the same.
    pub(crate) fn new(args: &RecordArgs, target: String, machine: Machine) -> Result<Recorder, Failure> {
        let named = [("--record", args.record.as_deref()), ("--report", args.report.as_deref())];
        OutputFile::refuse_same(&named)?;
        Ok(Recorder {
            run: new_run(0, target, machine),
            record: args.record.as_deref().map(OutputFile::new).transpose()?,
            report: args.report.as_deref().map(OutputFile::new).transpose()?,
        })
    }

    /// Takes one sample.
    pub(crate) fn add(&mut self, sample: Sample) {
        if self.record.is_none() && self.report.is_none() {
            return;
        }
        self.run.samples.push(sample);
        decimate(&mut self.run.samples, MAX_SAMPLES);
    }

    /// Writes what was asked for, with the ending that `end` gives it, and says so on stderr. The result is printed by then.
    ///
    /// # Errors
    /// When a file cannot be written; the other one is written all the same.
    pub(crate) fn finish(mut self, end: impl FnOnce(&mut Run)) -> anyhow::Result<()> {
        end(&mut self.run);
        let record = self.record.take().map(|file| write_file(file, |to| write_record(&self.run, to)));
        let report = self.report.take().map(|file| {
            let footer = concat!("Made by echoctl ", env!("CARGO_PKG_VERSION"));
            let page = run_page(&self.run).footer(footer).to_string();
            write_file(file, |to| to.write_all(page.as_bytes()))
        });
        check_written_after_result([record, report].into_iter().flatten())
    }
}

/// Writes a file, and says so on stderr.
fn write_file(
    file: OutputFile,
    content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let name = file.path().display().to_string();
    file.write(content)?;
    note(format_args!("kept in {name}"));
    Ok(())
}

/// An empty record of a run of this command against `target`, which began so many seconds ago.
pub(crate) fn new_run(seconds_ago: u64, target: String, machine: Machine) -> Run {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Run::new(env!("CARGO_PKG_VERSION"), command, now.saturating_sub(seconds_ago), target, machine)
}

/// Samples kept: 15 minutes at 20 a second, 3 MiB.
const MAX_SAMPLES: usize = 18_000;
