//! Parses the JSON lines of a flood, which are a run, too: its samples and its summary.
//!
//! They do not contain the machine and the command.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;

use crate::intake::Intake;
use crate::reading::shortened;
use crate::{Ending, Machine, Run, RunError, Sample, Summary};

/// Whether a file that starts with `head` consists of JSON lines, rather than being a recording.
pub(crate) fn begin(head: &[u8]) -> bool {
    let head = head.trim_ascii();
    head.starts_with(b"{\"event\":") || serde_json::from_slice::<Event>(head).is_ok()
}

/// Reads lines to the end of `reader`.
pub(crate) fn read(reader: impl Read, intake: &Intake) -> Result<Run, RunError> {
    let mut run = Run::new("", Vec::new(), 0, "a server".to_owned(), Machine::default());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length =
            reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(RunError::Read)?;
        if length == 0 {
            break;
        }
        if line.len() as u64 == LONGEST_LINE {
            return Err(bad_line(number, "longer than any event"));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line).map_err(|error| bad_json(number, &error))? {
            Event::Sample { side: Some(_), .. } => {
                return Err(bad_line(number, "it has both sides of a demo, not one run"));
            }
            Event::Sample { sample, .. } => {
                intake.add_sample().map_err(RunError::Read)?;
                run.samples.push(sample);
            }
            Event::Summary(summary) => {
                run.target.clone_from(&summary.target);
                run.ending = Some(Ending::Flood { summary: *summary });
            }
            Event::Other => {}
        }
    }
    Ok(run)
}

fn bad_line(number: u64, why: &str) -> RunError {
    RunError::BadLine { number, why: why.to_owned() }
}

fn bad_json(number: u64, error: &serde_json::Error) -> RunError {
    match error.is_eof() {
        true => bad_line(number, "it is truncated"),
        // The parser has seen only this line, and calls it the first.
        false => bad_line(number, &shortened(&error.to_string()).replace(" at line 1 column", " at column")),
    }
}

/// A line of a flood or a demo.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Sample {
        #[serde(flatten)]
        sample: Sample,
        side: Option<String>,
    },
    Summary(Box<Summary>),
    #[serde(other)]
    Other,
}

/// Maximum bytes of a line: a summary is below 1 KiB, apart from the names in it.
const LONGEST_LINE: u64 = 1 << 20;
