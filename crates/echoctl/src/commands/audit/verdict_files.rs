//! The files in which CI systems read the verdict: JUnit XML and SARIF. Each agrees with the exit code.

use std::path::{Path, PathBuf};

use super::args::Args;
use super::junit::{junit, junit_of_failure};
use super::sarif::{sarif, sarif_of_failure};
use super::summary::Summary;
use crate::exit::Failure;
use crate::output::file::OutputFile;
use crate::output::warning;

/// Files to write at the end of an audit, whether there is a verdict or not.
#[derive(Debug, clap::Args)]
pub(super) struct VerdictArgs {
    /// Write the verdict as JUnit XML
    ///
    /// CI systems show it as a test case.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write the verdict as SARIF
    ///
    /// Code scanning shows an unsafe or unclear verdict as an alert, and closes it when the server is safe.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    sarif: Option<PathBuf>,
}

impl VerdictArgs {
    /// The options and their files.
    pub(super) fn named(&self) -> [(&'static str, Option<&Path>); 2] {
        [("--junit", self.junit.as_deref()), ("--sarif", self.sarif.as_deref())]
    }

    /// Checks that the files can be written.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn open(&self) -> anyhow::Result<VerdictFiles> {
        let file = |path: Option<&Path>| path.map(OutputFile::new).transpose();
        Ok(VerdictFiles { junit: file(self.junit.as_deref())?, sarif: file(self.sarif.as_deref())? })
    }
}

/// The files of [`VerdictArgs`].
pub(super) struct VerdictFiles {
    junit: Option<OutputFile>,
    sarif: Option<OutputFile>,
}

impl VerdictFiles {
    /// Writes the verdict; if a file cannot be written, the other one is written all the same.
    pub(super) fn save(self, summary: &Summary, args: &Args) -> impl Iterator<Item = anyhow::Result<()>> {
        let junit = self.junit.map(|file| file.save(junit(summary, &args.expect)));
        let sarif = self.sarif.map(|file| file.save(sarif(summary, args)));
        [junit, sarif].into_iter().flatten()
    }

    /// Writes that there is no verdict, so that no earlier one is taken for that of this audit. Files that cannot be written are
    /// warnings: the failure itself matters more.
    pub(super) fn save_failure(self, stimulus: &str, failure: &Failure, args: &Args) {
        let junit = self
            .junit
            .map(|file| file.save(junit_of_failure(&args.target(), stimulus, &failure.to_string())));
        let sarif = self.sarif.map(|file| file.save(sarif_of_failure(stimulus, failure, args)));
        for error in [junit, sarif].into_iter().flatten().filter_map(Result::err) {
            warning(format_args!("{error:#}"));
        }
    }
}
