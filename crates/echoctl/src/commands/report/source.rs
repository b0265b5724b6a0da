//! Reads a recording from a file, as a stream: an endless file is refused at its first invalid byte, or at a limit.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use echoctl_observe::{available_memory, start_thread};
use echoctl_record::{Bytes, Limit, Run, RunError};

use crate::output::file::OutputFile;

/// Reads a recording, or the JSON lines of a run, with at least one sample. `-` is standard input.
///
/// # Errors
/// The fault of the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Run> {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { "standard input".into() } else { file.to_string_lossy() };
    let run = match is_stdin {
        true => Run::read_within(io::stdin().lock(), most_samples()),
        false => {
            let source = open(file).with_context(|| format!("cannot read {name}"))?;
            let length = source.metadata().map_or(0, |metadata| metadata.len());
            if length > Limit::BYTES {
                return Err(anyhow!("cannot draw {name}: it has {} ({})", Bytes(length), Limit::Bytes));
            }
            Run::read_within(source, most_samples())
        }
    };
    let run = run.map_err(|error| match error {
        RunError::Read(error) => anyhow!(error).context(format!("cannot read {name}")),
        RunError::TooLarge(Limit::Samples(most)) if most < Limit::SAMPLES => {
            anyhow!("cannot draw {name}: more than {most} samples, which is all that fits into the available memory")
        }
        error => anyhow!(error).context(format!("cannot draw {name}")),
    })?;
    ensure!(!run.samples.is_empty(), "cannot draw {name}: no samples (the run ended before the first one)");
    Ok(run)
}

/// The path of a file to be read, to find out whether it is also one to be written.
pub(crate) fn path(file: &Path) -> &Path {
    if file == Path::new("-") { Path::new(OutputFile::STDIN) } else { file }
}

/// Samples that fit into the available memory: a container with 200 MiB is killed by a recording that a laptop draws in seconds.
fn most_samples() -> u64 {
    available_memory().map_or(Limit::SAMPLES, |left| left / BYTES_PER_SAMPLE)
}

/// Opens a file. Opening a named pipe waits until a process writes to it, so that has a timeout.
fn open(file: &Path) -> io::Result<File> {
    if std::fs::metadata(file)?.is_file() {
        return File::open(file);
    }
    let (opened, source) = mpsc::sync_channel(1);
    let path = file.to_owned();
    // If no process ever writes, the thread is left behind: this process is about to exit.
    start_thread("opener", move || opened.send(File::open(path))).map_err(io::Error::other)?;
    source.recv_timeout(OPEN_WITHIN).unwrap_or_else(|_| {
        let what = format!("no process opened it for writing within {} s", OPEN_WITHIN.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    })
}

/// Memory per sample, in bytes: 450 were measured for reading and drawing three million of them; as much again is left for other
/// programs.
const BYTES_PER_SAMPLE: u64 = 1024;

/// The longest time that a named pipe may have no writer: more than a command needs to start.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
