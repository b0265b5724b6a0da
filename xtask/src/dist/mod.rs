//! `cargo xtask dist`: everything that is shipped, in `dist/`.
//!
//! One set of files (the static program, manual pages, completions, licences, documents) is shipped in three forms: an archive, a Debian
//! package and an image for containers, with a list of checksums. A form whose tool is not installed is reported, and the others are made.
//! The same commit and toolchain make the same bytes: names are sorted, and every file has the time of the commit. macOS and Windows have
//! the archive only.

mod archive;
mod debian;
mod files;
mod image;
mod licences;
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    let release = Release::new(options)?;
    // Nothing of an earlier run stays beside what this one makes.
    remove(&folder())?;
    files::gather(&release)?;

    let mut made = Vec::new();
    let mut missing = 0;
    for form in FORMS.iter().filter(|form| cfg!(target_os = "linux") || !form.needs_linux) {
        match (form.make)(&release) {
            Ok(file) => made.push(file),
            Err(error) => {
                missing += 1;
                eprintln!("cannot make {}: {error:#}", form.name);
            }
        }
    }
    if cfg!(target_os = "linux") {
        archive::write_checksums(&made)?;
    }
    for file in &made {
        let size =
            fs::metadata(folder().join(file)).with_context(|| format!("cannot find dist/{file}"))?.len();
        println!("dist/{file}  {:.1} MiB", size as f64 / f64::from(1 << 20));
    }
    if missing > 0 {
        bail!(
            "{missing} of {} forms could not be made, see above; the others are complete",
            missing + made.len()
        );
    }
    Ok(())
}

/// A form in which the files are shipped.
struct Form {
    name: &'static str,
    needs_linux: bool,
    /// Makes it from the gathered files, and returns the name of the result in `dist/`.
    make: fn(&Release) -> Result<String>,
}

const FORMS: [Form; 3] = [
    Form { name: "the archive", needs_linux: false, make: archive::make },
    Form { name: "the Debian package", needs_linux: true, make: debian::make },
    Form { name: "the image", needs_linux: true, make: image::make },
];

/// What is shipped.
struct Release {
    program: PathBuf,
    target: String,
    /// The time of every file, in seconds of Unix time.
    time: String,
}

impl Release {
    fn new(options: &[&str]) -> Result<Release> {
        let program = match options {
            [] => None,
            ["--binary", path] => Some(given(path)?),
            _ => bail!("dist: expected no option or --binary PATH, not '{}'", options.join(" ")),
        };
        let target = program::target()?;
        let program = program.map_or_else(|| program::build(&target), Ok)?;
        Ok(Release { program, target, time: time()? })
    }

    /// Such as `echoctl-v0.1.0-x86_64-unknown-linux-gnu`.
    fn name(&self) -> String {
        format!("echoctl-v{VERSION}-{}", self.target)
    }
}

/// The program at `path`, as it is in every folder.
fn given(path: &str) -> Result<PathBuf> {
    let program = fs::canonicalize(path).with_context(|| format!("cannot find {path}"))?;
    if program.starts_with(folder()) {
        bail!("{path} is in dist/, whose files are made again\nhint: copy it to another folder");
    }
    Ok(program)
}

/// The version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where everything is made: not in the target directory, which has a folder for each profile.
fn folder() -> PathBuf {
    process::root().join("dist")
}

/// The environment's time, or that of the commit.
fn time() -> Result<String> {
    if let Ok(time) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(time);
    }
    process::output(Command::new("git").args(["log", "-1", "--format=%ct"]))
        .map(|time| time.trim().to_owned())
        .context("cannot find the time of the commit\nhint: outside a clone, set SOURCE_DATE_EPOCH to the seconds since 1970")
}

/// An error with a remedy if `tool` cannot be started.
fn require(tool: &str, remedy: &str) -> Result<()> {
    if process::is_installed(tool) {
        return Ok(());
    }
    bail!("{tool} is not installed\nhint: {remedy}")
}

/// Deletes a folder of an earlier run.
fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    }
    Ok(())
}
