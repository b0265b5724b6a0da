//! Parses a recording from a stream, and explains why a file is not one.
//!
//! The first bytes of a recording name its kind and version. So a foreign file and one of a newer version are refused before
//! anything else of them is read, and an error in what follows is known to be damage.

use std::io::BufRead;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{
    ClassLog, ConnectionLog, Ending, Evidence, Machine, PingSummary, Run, RunError, SCHEMA_VERSION, Sample,
    Summary, WatchSummary,
};

/// The fields of the file, also by the names of version 1.
#[derive(Deserialize)]
#[serde(expecting = "a recording")]
struct Record {
    file: String,
    schema_version: u32,
    version: String,
    command: Vec<String>,
    #[serde(alias = "began")]
    started: u64,
    started_at: Option<f64>,
    host: Option<String>,
    index: Option<u32>,
    of: Option<u32>,
    target: String,
    machine: Machine,
    samples: Vec<Sample>,
    connections: Option<ConnectionLog>,
    class: Option<ClassLog>,
    summary: Option<Summary>,
    ping: Option<PingSummary>,
    #[serde(alias = "watched")]
    watch: Option<WatchSummary>,
    evidence: Option<Evidence>,
}

/// Reads one recording, to the end of `reader`, which starts with `head`.
pub(crate) fn read(head: &[u8], mut reader: impl BufRead) -> Result<Run, RunError> {
    let text = String::from_utf8_lossy(head);
    let file: Option<String> = stated(&text, "file");
    if let Some(file) = &file {
        identify(file, stated(&text, "schema_version").unwrap_or_default())?;
    }
    let mut json = serde_json::Deserializer::from_reader(&mut reader);
    let record = Record::deserialize(&mut json);
    let is_complete = record.is_ok();
    let record = record.and_then(|record| json.end().map(|()| record)).map_err(|error| {
        let what = shortened(&error.to_string());
        let cut_off = RunError::CutOff(error.line(), error.column());
        // To the parser, a truncated number is an invalid number and not the end of the input.
        let mut is_cut_off = || !is_complete && reader.fill_buf().is_ok_and(<[u8]>::is_empty);
        match error.classify() {
            Category::Io => RunError::reading(error.into()),
            Category::Eof if text.trim_ascii().is_empty() => RunError::Foreign("the file is empty".into()),
            Category::Eof => cut_off,
            Category::Syntax if file.is_some() && is_cut_off() => cut_off,
            Category::Syntax | Category::Data if file.is_some() => RunError::Damaged(what),
            Category::Syntax => RunError::Foreign(format!("not JSON ({what})")),
            Category::Data => RunError::Foreign(format!("JSON of another kind ({what})")),
        }
    })?;
    identify(&record.file, record.schema_version)?;
    let Record { version, command, started, target, machine, started_at, host, index, of, .. } = record;
    let mut run = Run::new(&version, command, started, target, machine);
    (run.started_at, run.host, run.index, run.of) = (started_at, host, index, of);
    (run.samples, run.connections, run.class) = (record.samples, record.connections, record.class);
    run.ending = Ending::of_parts(record.summary, record.ping, record.watch, record.evidence)?;
    run.upgrade(record.schema_version);
    Ok(run)
}

/// The value of a field, if it is in the first bytes of a file. Nothing in a JSON string looks like a field: its quotes are escaped.
fn stated<T: DeserializeOwned>(head: &str, field: &str) -> Option<T> {
    let (_, value) = head.split_once(&format!("\"{field}\":"))?;
    serde_json::Deserializer::from_str(value).into_iter().next()?.ok()
}

/// Refuses what is not a recording, and one of a newer version.
fn identify(file: &str, version: u32) -> Result<(), RunError> {
    if file != Run::FILE {
        let name: String = file.chars().take(MOST_NAME).collect();
        return Err(RunError::Foreign(format!("its field `file` is {name:?}")));
    }
    if version > SCHEMA_VERSION { Err(RunError::TooNew(version)) } else { Ok(()) }
}

/// The first and last part of an error of the parser, which quotes the file: the last part has the position.
pub(crate) fn shortened(error: &str) -> String {
    let letters: Vec<char> = error.chars().collect();
    if letters.len() <= MOST_ERROR {
        return error.to_owned();
    }
    let (begin, end) = (letters.iter().take(MOST_ERROR / 2), &letters[letters.len() - MOST_ERROR / 2..]);
    begin.chain(&['…']).chain(end).collect()
}

/// Characters of a foreign name in an error: enough to recognise it.
const MOST_NAME: usize = 40;

/// Characters of an error of the parser: only what it quotes is longer.
const MOST_ERROR: usize = 300;
