//! The run: what `--record` keeps in a file, so that it can be drawn, compared and judged again later.
//!
//! The file is one JSON object. Two of its fields stand for the whole: `file`, which tells it from all other JSON, and
//! `schema_version`. It is made to be read by a stranger years later, so it carries the command, the program's version,
//! the kernel and its settings; and it is read with suspicion: cut off, damaged, foreign or too new, each has its own
//! error, and none a panic.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Serialize;
use thiserror::Error;

use crate::intake::{Intake, Metered};
use crate::{Evidence, Limit, Machine, SCHEMA_VERSION, Sample, Summary, WatchSummary, lines, reading};

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Always [`Run::FILE`].
    pub(crate) file: String,
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub(crate) schema_version: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// When it started, in seconds since 1970 (UTC).
    pub started: u64,
    /// The server's address.
    pub target: String,
    /// The machine that it was made on.
    pub machine: Machine,
    /// The samples, in order of time.
    pub samples: Vec<Sample>,
    /// How it ended; absent when it was interrupted before, and for a watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What was seen, in a run that watched a live server and was no client of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchSummary>,
    /// What an audit judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Why a file could not be read as a run.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be written.
    #[error("write the record: {0}")]
    Write(#[from] io::Error),
    /// It could not be read.
    #[error("read the record: {0}")]
    Read(io::Error),
    /// It exceeds what a record may be: it is endless, or inflated.
    #[error("the record is too large: {limit}")]
    TooLarge {
        /// The limit.
        limit: Limit,
    },
    /// It ends in the middle.
    #[error("the record is cut off: it ends in the middle of line {line}, column {column}")]
    CutOff {
        /// The last line, counted from 1.
        line: usize,
        /// The last column, counted from 1.
        column: usize,
    },
    /// It is no JSON, or JSON of something else.
    #[error("not an echoctl record: {why}")]
    Foreign {
        /// What was found instead.
        why: String,
    },
    /// A newer program wrote it.
    #[error("unsupported record format {found} (this version reads up to {SCHEMA_VERSION}): upgrade echoctl")]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// It is lines of JSON, and one of them is none of a run.
    #[error("line {number}: {why}")]
    BadLine {
        /// The line, counted from 1.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It is a record, and something in it makes no sense.
    #[error("the record is damaged: {why}")]
    Damaged {
        /// What makes no sense, and where.
        why: String,
    },
}

impl Run {
    /// The value of `file` by which a record is known.
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

    /// Reads a record from memory, as [`Run::read_from`] does from a file.
    ///
    /// # Errors
    /// A [`RunError`] that says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Run, RunError> {
        Run::read_from(bytes)
    }

    /// Reads what [`Run::write`] wrote, whatever has happened to it since, or the JSON lines of `flood --json`. Memory is
    /// in proportion to the samples; an endless file is refused when it exceeds a [`Limit`](crate::Limit).
    ///
    /// # Errors
    /// A [`RunError`] that says what is wrong with it.
    pub fn read_from(source: impl Read) -> Result<Run, RunError> {
        Run::read_within(source, Limit::SAMPLES)
    }

    /// The same where there is memory for `most` samples only: to read and draw one takes some 450 bytes.
    ///
    /// # Errors
    /// A [`RunError`] that says what is wrong with it.
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

    /// Makes a record of version 1 one of this version. Only audits differ by more than names: version 1 wrote zeros for replies
    /// that were not checked, and did not mark the samples of a server that need not echo.
    fn upgrade(&mut self) {
        if let (Some(_), Some(summary), 1) = (&self.evidence, &mut self.summary, self.schema_version) {
            summary.integrity = None;
        }
        if self.evidence.as_ref().is_some_and(|evidence| !evidence.echo) {
            self.samples.iter_mut().for_each(|sample| sample.is_echo = Some(false));
        }
        // From here on it is a record of this version, which is what it is written as.
        self.schema_version = SCHEMA_VERSION;
        if let Some(summary) = &mut self.summary {
            summary.schema_version = SCHEMA_VERSION;
        }
        if let Some(watch) = &mut self.watch {
            watch.schema_version = SCHEMA_VERSION;
        }
    }

    /// Who draws or judges a run relies on this: times are finite, do not fall, and are no longer than a year.
    fn check(&self) -> Result<(), RunError> {
        in_order("sample", self.samples.iter().map(|sample| sample.t))?;
        let summary = self.summary.iter().flat_map(|summary| [summary.seconds, summary.stalled_seconds]);
        let mut seconds = summary.chain(self.watch.iter().map(|watch| watch.seconds));
        if let Some(seconds) = seconds.find(|seconds| !(0.0..=LONGEST).contains(seconds)) {
            return Err(damaged(format!("its summary tells of {seconds:?} s")));
        }
        let Some(evidence) = &self.evidence else { return Ok(()) };
        in_order("point of the evidence", evidence.points.iter().map(|point| point.sample.t))?;
        let drain = evidence.drain.as_ref();
        in_order("point of the reading", drain.iter().flat_map(|drain| &drain.curve).map(|point| point.0))?;
        let cpu_seconds = evidence.points.iter().filter_map(|point| point.cpu_seconds);
        let disconnect = evidence.disconnect.iter().map(|disconnect| disconnect.t);
        let took = drain.iter().map(|drain| drain.seconds);
        let times = [evidence.max_duration].into_iter().chain(disconnect).chain(took).chain(cpu_seconds);
        match times.into_iter().find(|time| !(0.0..=f64::MAX).contains(time)) {
            Some(time) => Err(damaged(format!("its evidence tells of {time:?} s"))),
            None => Ok(()),
        }
    }
}

/// Refuses times that fall, or that no run reaches.
fn in_order(what: &str, times: impl Iterator<Item = f64>) -> Result<(), RunError> {
    let mut before = 0.0;
    for (number, t) in (1..).zip(times) {
        if !(before..=LONGEST).contains(&t) {
            return Err(damaged(format!("{what} {number} is at {t:?} s, after {before:?} s")));
        }
        before = t;
    }
    Ok(())
}

fn damaged(why: String) -> RunError {
    RunError::Damaged { why }
}

/// The first line, or as much of it as tells a record from lines of samples.
fn head(reader: &mut impl BufRead) -> Result<Vec<u8>, RunError> {
    let mut head = Vec::new();
    reader.take(HEAD).read_until(b'\n', &mut head).map_err(RunError::Read)?;
    Ok(head)
}

/// Bytes read from a file at a time.
const CHUNK: usize = 64 * 1024;

/// Bytes that are looked at first: ten times the first event of a run.
const HEAD: u64 = 4096;

/// A year, in seconds.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
