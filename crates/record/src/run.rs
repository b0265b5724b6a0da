//! The run: what `--record` keeps in a file, so that it can be drawn, compared and judged again later.
//!
//! The file is one JSON object. Two of its fields stand for the whole: `file`, which tells it from all other JSON, and
//! `schema_version`. It is made to be read by a stranger years later, so it carries the command, the program's version,
//! the kernel and its settings; and it is read with suspicion: cut off, damaged, foreign or too new, each has its own
//! error, and none a panic.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Evidence, Machine, SCHEMA_VERSION, Sample, Summary, Watched};

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Always [`Run::FILE`].
    file: String,
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    schema_version: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// When it began, in seconds since 1970 (UTC).
    pub began: u64,
    /// The server's address.
    pub target: String,
    /// The machine that it was made on.
    pub machine: Machine,
    /// The samples, in order of time.
    pub samples: Vec<Sample>,
    /// How it ended; absent when it was interrupted before, and for a watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What was seen, in a run that watched a live server and was no client of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Watched>,
    /// What an audit judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Why a file could not be read as a run.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be written.
    #[error("write the record: {0}")]
    Write(#[from] io::Error),
    /// It ends in the middle.
    #[error("the record is cut off: it ends in the middle of line {line}, column {column}")]
    CutOff {
        /// The last line, counted from 1.
        line: usize,
        /// The last column, counted from 1.
        column: usize,
    },
    /// It is no JSON, or JSON of something else.
    #[error("this is no record of echoctl's: {why} (make one with --record)")]
    Foreign {
        /// What was found instead.
        why: String,
    },
    /// A newer program wrote it.
    #[error(
        "the record has version {found} of the format, and this program knows {SCHEMA_VERSION}: use a newer echoctl"
    )]
    TooNew {
        /// The version found.
        found: u32,
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
    pub fn new(version: &str, command: Vec<String>, began: u64, target: String, machine: Machine) -> Run {
        Run {
            file: Run::FILE.to_owned(),
            schema_version: SCHEMA_VERSION,
            version: version.to_owned(),
            command,
            began,
            target,
            machine,
            samples: Vec::new(),
            summary: None,
            watched: None,
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

    /// Reads what [`Run::write`] wrote, whatever has happened to it since.
    ///
    /// # Errors
    /// A [`RunError`] that says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Run, RunError> {
        let head: Head = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof if !bytes.trim_ascii().is_empty() => cut_off(&error),
            serde_json::error::Category::Eof => RunError::Foreign { why: "it is empty".to_owned() },
            serde_json::error::Category::Data => {
                RunError::Foreign { why: format!("it is other JSON ({error})") }
            }
            _ if looks_like_a_record(bytes) => damaged(bytes, &error),
            _ => RunError::Foreign { why: format!("it is no JSON ({error})") },
        })?;
        if head.file != Run::FILE {
            return Err(RunError::Foreign { why: format!("it calls itself {:?}", shortened(&head.file)) });
        }
        if head.schema_version > SCHEMA_VERSION {
            return Err(RunError::TooNew { found: head.schema_version });
        }
        let run: Run = serde_json::from_slice(bytes).map_err(|error| damaged(bytes, &error))?;
        run.check()?;
        Ok(run)
    }

    /// The version of the format that it was written in.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// Whoever draws a run relies on this: times are finite, rise, and are no longer than a year.
    fn check(&self) -> Result<(), RunError> {
        let mut before = 0.0;
        for (number, sample) in self.samples.iter().enumerate() {
            if !(before..=LONGEST).contains(&sample.t) {
                let why = format!("sample {number} is at {} s, after one at {before} s", sample.t);
                return Err(RunError::Damaged { why });
            }
            before = sample.t;
        }
        let summary = self.summary.iter().flat_map(|summary| [summary.seconds, summary.stalled_seconds]);
        let mut seconds = summary.chain(self.watched.iter().map(|watched| watched.seconds));
        match seconds.find(|seconds| !(0.0..=LONGEST).contains(seconds)) {
            Some(seconds) => Err(RunError::Damaged { why: format!("its summary tells of {seconds} s") }),
            None => Ok(()),
        }
    }
}

/// The fields by which a record is known.
#[derive(Deserialize)]
struct Head {
    file: String,
    schema_version: u32,
}

/// Whether text that is no JSON began as a record: then it is a damaged one and not a foreign file.
fn looks_like_a_record(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    start.windows(Run::FILE.len()).any(|window| window == Run::FILE.as_bytes())
}

fn cut_off(error: &serde_json::Error) -> RunError {
    RunError::CutOff { line: error.line(), column: error.column() }
}

fn damaged(bytes: &[u8], error: &serde_json::Error) -> RunError {
    // A number cut in two is an invalid number to the parser and not an end; a whole record ends with its brace.
    if error.is_eof() || !bytes.trim_ascii_end().ends_with(b"}") {
        cut_off(error)
    } else {
        RunError::Damaged { why: error.to_string() }
    }
}

/// Enough of a foreign text for an error message.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A year, in seconds.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
