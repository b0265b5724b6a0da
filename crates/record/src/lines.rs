//! Parses the JSON lines of a flood, which are a run, too: its samples and its summary.
//!
//! They do not contain the machine and the command.

use std::io::{BufRead, Read};

use serde::Deserialize;

use crate::reading::shortened;
use crate::{Ending, Machine, Run, RunError, Sample, Summary};

/// Whether a file that starts with `head` consists of JSON lines, rather than being a recording.
pub(crate) fn begin(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
    first.starts_with(b"{\"event\":") || serde_json::from_slice::<Event>(first).is_ok()
}

/// Reads lines to the end of `reader`.
pub(crate) fn read(mut reader: impl BufRead) -> Result<Run, RunError> {
    let mut run = Run::new("", Vec::new(), 0, "a server".to_owned(), Machine::default());
    let mut line = Vec::new();
    for number in 1.. {
        let bad = |why: &str| Err(RunError::BadLine(number, why.to_owned()));
        line.clear();
        match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(RunError::reading)? {
            0 => break,
            length if length as u64 == LONGEST_LINE => return bad("longer than any event"),
            _ if line.trim_ascii().is_empty() => continue,
            _ => {}
        }
        match serde_json::from_slice(&line) {
            Ok(Event::Sample { side: Some(_), .. }) => {
                return bad("it has both sides of a demo, not one run");
            }
            Ok(Event::Sample { sample, .. }) => run.samples.push(sample),
            Ok(Event::Summary(summary)) => {
                run.target.clone_from(&summary.target);
                run.ending = Some(Ending::Flood { summary: *summary });
            }
            Ok(Event::Other) => {}
            Err(error) if error.is_eof() => return bad("it is truncated"),
            // The parser has seen only this line, and calls it the first.
            Err(error) => {
                return bad(&shortened(&error.to_string()).replace(" at line 1 column", " at column"));
            }
        }
    }
    Ok(run)
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
