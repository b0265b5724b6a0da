//! Files written at the end of a run: the recording for programs (`--record`) and the page for people (`--report`).

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use echoctl_observe::{host_name, machine};
use echoctl_record::{ConnectionLogger, Run, Sample};
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

    /// Checks that the files can be written. `index` replaces `{index}` in their names, and `others` are options of the command that
    /// name other files.
    ///
    /// # Errors
    /// If a file cannot be written; exit 2 if two are the same, or a name needs an index and there is none.
    pub(crate) fn open(
        &self,
        index: Option<u32>,
        others: &[(&str, Option<&Path>)],
    ) -> Result<RunFiles, Failure> {
        let record = with_index("--record", self.record.as_deref(), index)?;
        let report = with_index("--report", self.report.as_deref(), index)?;
        let (record, report) = (record.as_deref(), report.as_deref());
        OutputFile::refuse_same(&[others, &[("--record", record), ("--report", report)]].concat())?;
        let file = |path: Option<&Path>| path.map(OutputFile::new).transpose();
        Ok(RunFiles { record: file(record)?, report: file(report)? })
    }
}

/// The path of an option, with the index of this machine in place of `{index}`.
fn with_index(option: &str, path: Option<&Path>, index: Option<u32>) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let Some(text) = path.to_str().filter(|text| text.contains(INDEX)) else {
        return Ok(Some(path.to_owned()));
    };
    let Some(index) = index else {
        let why = format!("{option} {text}: {INDEX} has no value, since this machine has no --index");
        return Err(Failure::usage(why));
    };
    Ok(Some(text.replace(INDEX, &index.to_string()).into()))
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
    connections: ConnectionLogger,
    files: RunFiles,
    /// Whether samples are collected.
    collects: bool,
}

impl Recorder {
    /// Recorder of a run against `target`.
    ///
    /// # Errors
    /// Those of [`RecordArgs::open`].
    pub(crate) fn new(args: &RecordArgs, target: String, index: Option<u32>) -> Result<Recorder, Failure> {
        let files = args.open(index, &[])?;
        let collects = files.record.is_some() || files.report.is_some();
        let connections = ConnectionLogger::default();
        Ok(Recorder { run: new_run(0.0, target), connections, files, collects })
    }

    /// Whether samples are to be collected.
    pub(crate) fn is_used(&self) -> bool {
        self.collects
    }

    /// Whether a recording is to be written.
    pub(crate) fn is_recording(&self) -> bool {
        self.files.record.is_some()
    }

    /// Sets the start of the run: when the time of its samples is 0.
    pub(crate) fn set_start(&mut self, start: Instant) {
        set_start(&mut self.run, start.elapsed().as_secs_f64());
    }

    /// Adds what a sample has read of each connection, with this function of its sampler.
    pub(crate) fn add_connections(&mut self, log: impl FnOnce(&mut ConnectionLogger)) {
        if self.collects {
            log(&mut self.connections);
        }
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
        add_log(&mut run, self.connections.clone());
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
        add_log(&mut self.run, self.connections);
        complete(&mut self.run);
        let run = &self.run;
        check_written_after_result(self.files.save(run, || run_page(run).footer(FOOTER)))
    }
}

/// Empty recording of a run of this command on this machine, against `target`, that began `seconds_ago`.
pub(crate) fn new_run(seconds_ago: f64, target: String) -> Run {
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut run = Run::new(env!("CARGO_PKG_VERSION"), command, 0, target, machine());
    run.host = host_name();
    set_start(&mut run, seconds_ago);
    run
}

fn add_log(run: &mut Run, connections: ConnectionLogger) {
    let connections = connections.finish();
    run.connections = (!connections.list.is_empty()).then_some(connections);
}

fn set_start(run: &mut Run, seconds_ago: f64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let start = (now - seconds_ago).max(0.0);
    run.started = start as u64;
    run.started_at = Some((start * 1e6).round() / 1e6);
}

/// Stands for the number of this machine in the name of a file.
const INDEX: &str = "{index}";

/// Samples in a recording: 15 minutes at 20 per second, 3 MiB.
const MAX_SAMPLES: usize = 18_000;
