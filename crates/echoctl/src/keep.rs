//! What is kept of a run: the record for programs (`--record`), and the page for people (`--report`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use echoctl_record::{Machine, Run, Sample};
use echoctl_report::run_page;

use crate::output::note;

/// Where a run is to be kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// Record all samples in this file, for echoctl report and echoctl compare
    #[arg(long, value_name = "FILE.json")]
    record: Option<PathBuf>,

    /// Draw the run in this page, which needs no network
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Collects the samples of a run, if it is to be kept.
pub(crate) struct Keeper {
    run: Run,
    record: Option<Output>,
    report: Option<Output>,
}

/// A file that is open before the run begins: a path that cannot be written is told before 10 s are spent on it.
struct Output {
    path: PathBuf,
    file: File,
}

impl Keeper {
    /// A keeper of a run against `target`.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub(crate) fn new(files: &Files, target: String, machine: Machine) -> anyhow::Result<Keeper> {
        Ok(Keeper {
            run: begun(0, target, machine),
            record: files.record.as_deref().map(Output::create).transpose()?,
            report: files.report.as_deref().map(Output::create).transpose()?,
        })
    }

    /// Takes one sample.
    pub(crate) fn add(&mut self, sample: Sample) {
        if self.record.is_none() && self.report.is_none() {
            return;
        }
        self.run.samples.push(sample);
        if self.run.samples.len() == MOST_SAMPLES {
            thin_out(&mut self.run.samples);
        }
    }

    /// Writes what was asked for, with the ending that `end` gives it, and says so on stderr.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn finish(mut self, end: impl FnOnce(&mut Run)) -> anyhow::Result<()> {
        end(&mut self.run);
        if let Some(record) = self.record.take() {
            let to_write = |file: &mut BufWriter<File>| Ok(self.run.write(file)?);
            record.write(to_write)?;
        }
        if let Some(report) = self.report.take() {
            let footer = concat!("Made by echoctl ", env!("CARGO_PKG_VERSION"));
            let page = run_page(&self.run).footer(footer).to_string();
            report.write(|file| Ok(file.write_all(page.as_bytes())?))?;
        }
        Ok(())
    }
}

impl Output {
    fn create(path: &Path) -> anyhow::Result<Output> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Output { path: path.to_owned(), file })
    }

    fn write(self, write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut file = BufWriter::new(self.file);
        write(&mut file)
            .and_then(|()| Ok(file.flush()?))
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        note(format_args!("kept in {}", self.path.display()));
        Ok(())
    }
}

/// An empty record of a run of this command against `target`, which began so many seconds ago.
pub(crate) fn begun(seconds_ago: u64, target: String, machine: Machine) -> Run {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Run::new(env!("CARGO_PKG_VERSION"), command, now.saturating_sub(seconds_ago), target, machine)
}

/// Drops every other element: the shape of a run stays, and our own memory is bounded however long it takes.
pub(crate) fn thin_out<T>(elements: &mut Vec<T>) {
    let mut keep = false;
    elements.retain(|_| {
        keep = !keep;
        keep
    });
}

/// Samples kept: 15 minutes at 20 a second, 3 MiB.
const MOST_SAMPLES: usize = 18_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_out_keeps_the_first_and_every_other() {
        let mut elements = vec![0, 1, 2, 3, 4];

        thin_out(&mut elements);

        assert_eq!(elements, [0, 2, 4]);
    }
}
