//! A run as a recording: a file from which it can be drawn, compared and judged again later.
//!
//! The file is one JSON object. Two of its fields identify it: `file`, which distinguishes it from all other JSON, and
//! `schema_version`. It is meant to be understood years later on another machine, so it contains the command, the program's
//! version, the kernel and its settings. It is not trusted when it is read: a truncated, damaged or foreign file and one of a
//! newer version each have their own error, and none causes a panic.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Serialize;
use thiserror::Error;

use crate::intake::{Intake, Metered};
use crate::{Evidence, Limit, Machine, SCHEMA_VERSION, Sample, Summary, WatchSummary, lines, reading};

/// A recording: the run in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Always [`Run::FILE`].
    pub(crate) file: String,
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub(crate) schema_version: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// The command line, as a list of its arguments.
    pub command: Vec<String>,
    /// Time of its start, in seconds since 1970 (UTC).
    pub started: u64,
    /// The server's address.
    pub target: String,
    /// The machine that it was made on.
    pub machine: Machine,
    /// The samples, in order of time.
    pub samples: Vec<Sample>,
    /// Its totals and verdict; absent if it was interrupted, and for a watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Totals of a run that watched a live server instead of being its client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchSummary>,
    /// What the verdict of an audit is derived from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Why a recording could not be written or read.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be written.
    #[error("write the recording: {0}")]
    Write(#[from] io::Error),
    /// It could not be read.
    #[error("read the recording: {0}")]
    Read(io::Error),
    /// It exceeds the limits of a recording: it is endless, or inflated.
    #[error("recording too large: {limit}")]
    TooLarge {
        /// The limit.
        limit: Limit,
    },
    /// It is truncated.
    #[error("truncated recording: it ends at line {line}, column {column}")]
    CutOff {
        /// The last line, counted from 1.
        line: usize,
        /// The last column, counted from 1.
        column: usize,
    },
    /// It is not JSON, or JSON of another kind.
    #[error("not an echoctl recording: {why}")]
    Foreign {
        /// What was found instead.
        why: String,
    },
    /// A newer version of the program wrote it.
    #[error(
        "unsupported recording format {found} (this version reads up to {SCHEMA_VERSION}): upgrade echoctl"
    )]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// It is JSON lines, one of which is not an event of a run.
    #[error("line {number}: {why}")]
    BadLine {
        /// The line, counted from 1.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It is a recording with invalid contents.
    #[error("damaged recording: {why}")]
    Damaged {
        /// What is invalid, and where.
        why: String,
    },
}

impl Run {
    /// The value of `file` that identifies a recording.
    pub const FILE: &str = "echoctl run";

    /// An empty run against `target`.
    pub fn new(version: &str, command: Vec<String>, started: u64, target: String, machine: Machine) -> Run {
        Run {
            file: Run::FILE.to_owned(),
            schema_version: SCHEMA_VERSION,
            version: version.to_owned(),
            command,
            started,
            target,
            machine,
            samples: Vec::new(),
            summary: None,
            watch: None,
            evidence: None,
        }
    }

    /// Writes it as one line of JSON.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, mut to: impl Write) -> Result<(), RunError> {
        serde_json::to_writer(&mut to, self).map_err(io::Error::from)?;
        to.write_all(b"\n")?;
        to.flush()?;
        Ok(())
    }

    /// Reads a recording from memory, as [`Run::read_from`] does from a file.
    ///
    /// # Errors
    /// A [`RunError`] that describes the fault.
    pub fn read(bytes: &[u8]) -> Result<Run, RunError> {
        Run::read_from(bytes)
    }

    /// Reads what [`Run::write`] wrote, or the JSON lines of a flood; the file is not trusted. Memory is proportional to the number
    /// of samples; an endless file is refused when it exceeds a [`Limit`](crate::Limit).
    ///
    /// # Errors
    /// A [`RunError`] that describes the fault.
    pub fn read_from(source: impl Read) -> Result<Run, RunError> {
        Run::read_within(source, Limit::SAMPLES)
    }

    /// As [`Run::read_from`], for at most `most` samples: reading and drawing one needs about 450 bytes of memory.
    ///
    /// # Errors
    /// A [`RunError`] that describes the fault.
    pub fn read_within(source: impl Read, most: u64) -> Result<Run, RunError> {
        let intake = Intake::new(most);
        let mut reader = BufReader::with_capacity(CHUNK, Metered::new(source, &intake));
        let read = head(&mut reader).and_then(|head| {
            let is_lines = lines::begin(&head);
            let reader = head.as_slice().chain(reader);
            if is_lines { lines::read(reader, &intake) } else { reading::read(reader, &intake) }
        });
        let mut run = match intake.exceeded() {
            Some(limit) => return Err(RunError::TooLarge { limit }),
            None => read?,
        };
        run.check()?;
        run.upgrade();
        Ok(run)
    }

    /// Makes a recording of version 1 one of this version. Only audits differ by more than names: version 1 wrote zeros for replies
    /// that were not checked, and did not mark the samples of a server that need not echo.
    fn upgrade(&mut self) {
        if let (Some(_), Some(summary), 1) = (&self.evidence, &mut self.summary, self.schema_version) {
            summary.integrity = None;
        }
        if self.evidence.as_ref().is_some_and(|evidence| !evidence.echo) {
            self.samples.iter_mut().for_each(|sample| sample.is_echo = Some(false));
        }
        // From here on it is a recording of this version, which is what it is written as.
        self.schema_version = SCHEMA_VERSION;
        if let Some(summary) = &mut self.summary {
            summary.schema_version = SCHEMA_VERSION;
        }
        if let Some(watch) = &mut self.watch {
            watch.schema_version = SCHEMA_VERSION;
        }
    }

    /// Checks what drawing and judging rely on: times are finite, do not decrease, and do not exceed a year.
    fn check(&self) -> Result<(), RunError> {
        in_order("sample", self.samples.iter().map(|sample| sample.t))?;
        let summary = self.summary.iter().flat_map(|summary| [summary.seconds, summary.stalled_seconds]);
        let mut seconds = summary.chain(self.watch.iter().map(|watch| watch.seconds));
        if let Some(seconds) = seconds.find(|seconds| !(0.0..=LONGEST).contains(seconds)) {
            return Err(damaged(format!("invalid time in its summary: {seconds:?} s")));
        }
        let Some(evidence) = &self.evidence else { return Ok(()) };
        in_order("point of the evidence", evidence.points.iter().map(|point| point.sample.t))?;
        let drain = evidence.drain.as_ref();
        in_order("point of the draining", drain.iter().flat_map(|drain| &drain.curve).map(|point| point.0))?;
        let cpu_seconds = evidence.points.iter().filter_map(|point| point.cpu_seconds);
        let disconnect = evidence.disconnect.iter().map(|disconnect| disconnect.t);
        let took = drain.iter().map(|drain| drain.seconds);
        let times = [evidence.max_duration].into_iter().chain(disconnect).chain(took).chain(cpu_seconds);
        match times.into_iter().find(|time| !(0.0..=f64::MAX).contains(time)) {
            Some(time) => Err(damaged(format!("invalid time in its evidence: {time:?} s"))),
            None => Ok(()),
        }
    }
}

/// Refuses times that decrease, or that no run reaches.
fn in_order(what: &str, times: impl Iterator<Item = f64>) -> Result<(), RunError> {
    let mut before = 0.0;
    for (number, t) in (1..).zip(times) {
        if !(before..=LONGEST).contains(&t) {
            return Err(damaged(format!("{what} {number} is at {t:?} s, after one at {before:?} s")));
        }
        before = t;
    }
    Ok(())
}

fn damaged(why: String) -> RunError {
    RunError::Damaged { why }
}

/// The first line, or as much of it as distinguishes a recording from JSON lines.
fn head(reader: &mut impl BufRead) -> Result<Vec<u8>, RunError> {
    let mut head = Vec::new();
    reader.take(HEAD).read_until(b'\n', &mut head).map_err(RunError::Read)?;
    Ok(head)
}

/// Bytes per read from a file.
const CHUNK: usize = 64 * 1024;

/// Bytes that decide which kind of file it is: ten times the first event of a run.
const HEAD: u64 = 4096;

/// A year, in seconds.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
