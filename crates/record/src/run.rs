//! A run as a recording: a file from which it can be drawn, compared and judged again later.
//!
//! The file is one JSON object. Two of its fields identify it: `file`, which distinguishes it from all other JSON, and
//! `schema_version`. It is meant to be understood years later on another machine, so it contains the command, the program's
//! version, the kernel and its settings. It is not trusted when it is read: a truncated, damaged or foreign file and one of a
//! newer version each have their own error, and none causes a panic.

use std::io::{self, BufReader, Read, Write};

use serde::Serialize;
use thiserror::Error;

use crate::intake::Intake;
use crate::{
    ClassLog, ConnectionLog, Ending, Evidence, Limit, Machine, PingSummary, SCHEMA_VERSION, Sample,
    SchemaVersion, Summary, WatchSummary, lines, reading,
};

/// A recording: the run in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Always [`Run::FILE`].
    file: &'static str,
    schema_version: SchemaVersion,
    /// The version of the program that wrote it.
    pub version: String,
    /// The command line, as a list of its arguments.
    pub command: Vec<String>,
    /// Time of its start, in seconds since 1970 (UTC).
    pub started: u64,
    /// The same, to a microsecond, as the clock of its machine shows it: when the time of its samples is 0. Absent in recordings of
    /// earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<f64>,
    /// Name of the host that it was made on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Number of this machine among those that make the same run, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// How many machines make the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// The server's address.
    pub target: String,
    /// The machine that it was made on.
    pub machine: Machine,
    /// The samples, in order of time.
    pub samples: Vec<Sample>,
    /// The counters of its connections, by which the recordings of both ends are joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<ConnectionLog>,
    /// The moments of a class, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<ClassLog>,
    /// How it ended; `None` if it was interrupted.
    #[serde(flatten)]
    pub ending: Option<Ending>,
}

/// Why a recording could not be read.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be read.
    #[error("read the recording: {0}")]
    Read(io::Error),
    /// It exceeds the limits of a recording: it is endless, or inflated.
    #[error("recording too large: {0}")]
    TooLarge(Limit),
    /// It is truncated, after this line and column, counted from 1.
    #[error("truncated recording: it ends at line {0}, column {1}")]
    CutOff(usize, usize),
    /// It is not JSON, or JSON of another kind: what was found instead.
    #[error("not an echoctl recording: {0}")]
    Foreign(String),
    /// A newer version of the program wrote it, in this version of the format.
    #[error("unsupported recording format {0} (this version reads up to {SCHEMA_VERSION}): upgrade echoctl")]
    TooNew(u32),
    /// It is JSON lines, and this one, counted from 1, is not an event of a run: what is wrong with it.
    #[error("line {0}: {1}")]
    BadLine(u64, String),
    /// It is a recording with invalid contents: what is invalid, and where.
    #[error("damaged recording: {0}")]
    Damaged(String),
}

impl RunError {
    /// Why a reader failed: by itself, or because a limit was exceeded.
    pub(crate) fn reading(error: io::Error) -> RunError {
        error.downcast().unwrap_or_else(RunError::Read)
    }
}

impl Run {
    /// The value of `file` that identifies a recording.
    pub const FILE: &str = "echoctl run";

    /// An empty run against `target`.
    pub fn new(version: &str, command: Vec<String>, started: u64, target: String, machine: Machine) -> Run {
        Run {
            file: Run::FILE,
            schema_version: SchemaVersion,
            version: version.to_owned(),
            command,
            started,
            started_at: None,
            host: None,
            index: None,
            of: None,
            target,
            machine,
            samples: Vec::new(),
            connections: None,
            class: None,
            ending: None,
        }
    }

    /// Totals and verdict of a client or an attack.
    pub fn summary(&self) -> Option<&Summary> {
        match self.ending.as_ref()? {
            Ending::Flood { summary } | Ending::Audit { summary, .. } => Some(summary),
            Ending::Ping { .. } | Ending::Watch { .. } => None,
        }
    }

    /// Totals of a ping.
    pub fn ping(&self) -> Option<&PingSummary> {
        match self.ending.as_ref()? {
            Ending::Ping { ping } => Some(ping),
            Ending::Flood { .. } | Ending::Watch { .. } | Ending::Audit { .. } => None,
        }
    }

    /// Totals of a watch.
    pub fn watch(&self) -> Option<&WatchSummary> {
        match self.ending.as_ref()? {
            Ending::Watch { watch } => Some(watch),
            Ending::Flood { .. } | Ending::Ping { .. } | Ending::Audit { .. } => None,
        }
    }

    /// What the verdict of an audit is derived from.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self.ending.as_ref()? {
            Ending::Audit { evidence, .. } => Some(evidence),
            Ending::Flood { .. } | Ending::Ping { .. } | Ending::Watch { .. } => None,
        }
    }

    /// Writes it as one line of JSON.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut to, self)?;
        to.write_all(b"\n")?;
        to.flush()
    }

    /// Reads a recording from memory, as [`Run::read_within`] does from a file.
    ///
    /// # Errors
    /// A [`RunError`] that describes the fault.
    pub fn read(bytes: &[u8]) -> Result<Run, RunError> {
        Run::read_within(bytes, Limit::SAMPLES)
    }

    /// Reads what [`Run::write`] wrote, or the JSON lines of a flood, of at most `most` samples: reading and drawing one needs about
    /// 450 bytes of memory. The file is not trusted: an endless one is refused when it exceeds a [`Limit`].
    ///
    /// # Errors
    /// A [`RunError`] that describes the fault.
    pub fn read_within(source: impl Read, most: u64) -> Result<Run, RunError> {
        let mut reader = BufReader::with_capacity(CHUNK, Intake::new(source, most));
        let mut head = Vec::new();
        reader.by_ref().take(HEAD).read_to_end(&mut head).map_err(RunError::reading)?;
        let reader = head.as_slice().chain(reader);
        let run = if lines::begin(&head) { lines::read(reader) } else { reading::read(&head, reader) }?;
        run.check()?;
        Ok(run)
    }

    /// Makes a recording of version 1 one of this version, as far as they differ by more than names: version 1 wrote zeros for
    /// replies that an audit did not check, and did not mark the samples of a server that need not echo.
    pub(crate) fn upgrade(&mut self, from: u32) {
        if let (Some(Ending::Audit { summary, .. }), 1) = (&mut self.ending, from) {
            summary.integrity = None;
        }
        if self.evidence().is_some_and(|evidence| !evidence.echo) {
            self.samples.iter_mut().for_each(|sample| sample.is_echo = Some(false));
        }
    }

    /// Checks what drawing and judging rely on: times are finite, do not decrease, and do not exceed a year.
    fn check(&self) -> Result<(), RunError> {
        in_order("sample", self.samples.iter().map(|sample| sample.t))?;
        let watched = match &self.ending {
            Some(Ending::Watch { watch }) => Some(watch.seconds),
            Some(Ending::Ping { ping }) => Some(ping.seconds),
            _ => None,
        };
        valid("start", LATEST_START, self.started_at)?;
        for connection in self.connections.iter().flat_map(|log| &log.list) {
            in_order("point of a connection", connection.points.iter().map(|point| point.0))?;
        }
        if let Some(class) = &self.class {
            in_order("moment of the class", class.states.iter().map(|state| state.point.t))?;
            in_order("mark of the class", class.marks.iter().map(|mark| mark.t))?;
        }
        valid("readings", LONGEST, self.connections.iter().map(|log| log.took))?;
        let totals =
            self.summary().into_iter().flat_map(|summary| [summary.seconds, summary.stalled_seconds]);
        valid("summary", LONGEST, totals.chain(watched))?;
        let Some(evidence) = self.evidence() else { return Ok(()) };
        in_order("point of the evidence", evidence.points.iter().map(|point| point.sample.t))?;
        let drain = evidence.drain.as_ref();
        in_order("point of the draining", drain.iter().flat_map(|drain| &drain.curve).map(|point| point.0))?;
        let used = evidence.points.iter().filter_map(|point| point.cpu_seconds);
        let ends = evidence.disconnect.iter().map(|disconnect| disconnect.t);
        let took = drain.iter().map(|drain| drain.seconds);
        valid("evidence", f64::MAX, used.chain(ends).chain(took).chain([evidence.max_duration]))
    }
}

/// Refuses times that no run has.
fn valid(what: &str, most: f64, times: impl IntoIterator<Item = f64>) -> Result<(), RunError> {
    match times.into_iter().find(|time| !(0.0..=most).contains(time)) {
        Some(time) => Err(RunError::Damaged(format!("invalid time in its {what}: {time:?} s"))),
        None => Ok(()),
    }
}

/// Refuses times that decrease, or that no run reaches.
fn in_order(what: &str, times: impl Iterator<Item = f64>) -> Result<(), RunError> {
    let mut before = 0.0;
    for (number, t) in (1..).zip(times) {
        if !(before..=LONGEST).contains(&t) {
            let why = format!("{what} {number} is at {t:?} s, after one at {before:?} s");
            return Err(RunError::Damaged(why));
        }
        before = t;
    }
    Ok(())
}

/// Bytes per read from a file.
const CHUNK: usize = 64 * 1024;

/// Bytes that decide which kind of file it is: ten times the first event of a run, and more than most commands.
const HEAD: u64 = 4096;

/// Seconds since 1970: the year 5138.
const LATEST_START: f64 = 1e11;

/// A year, in seconds.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
