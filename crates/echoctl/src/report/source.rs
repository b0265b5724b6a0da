//! The source: a recorded run, read from a file.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use echoctl_record::{Machine, Run, RunError, Sample, Summary};
use serde::Deserialize;

/// Reads a record, or the JSON lines of a run; it has samples. `-` is standard input.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Run> {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { "standard input".into() } else { file.to_string_lossy() };
    let bytes = match is_stdin {
        true => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => std::fs::read(file),
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    parse(&bytes).with_context(|| format!("cannot draw {name}"))
}

fn parse(bytes: &[u8]) -> anyhow::Result<Run> {
    let run = match Run::read(bytes) {
        Err(RunError::Foreign { .. }) if looks_like_lines(bytes) => lines(bytes)?,
        read => read?,
    };
    match run.samples.is_empty() {
        true => Err(anyhow!("it has no samples: the run ended before the first")),
        false => Ok(run),
    }
}

/// Whether it begins as the output of a command with `--json` does.
fn looks_like_lines(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Event>(first).is_ok() || first.starts_with(b"{\"event\":")
}

/// The samples and the summary of `flood --json`, of which nobody wrote down the machine.
fn lines(bytes: &[u8]) -> anyhow::Result<Run> {
    let mut run = Run::new("", Vec::new(), 0, "a server".to_owned(), Machine::default());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event = serde_json::from_slice(line).map_err(|error| bad_line(index + 1, &error))?;
        match event {
            Event::Sample { side: Some(_), .. } => bail!("it holds both sides of a demo, not one run"),
            Event::Sample { sample, .. } => run.samples.push(sample),
            Event::Summary(summary) => {
                run.target.clone_from(&summary.target);
                run.summary = Some(*summary);
            }
            Event::Other => {}
        }
    }
    Ok(run)
}

fn bad_line(number: usize, error: &serde_json::Error) -> anyhow::Error {
    match error.is_eof() {
        true => anyhow!("it is cut off in line {number}"),
        // The parser has seen one line alone, and calls it the first.
        false => anyhow!("line {number}: {}", error.to_string().replace(" at line 1 column", " at column")),
    }
}

/// A line of `flood --json`.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
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

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"event":"sample","t":0.05,"connections":1,"produced":9,"consumed":4}"#;

    fn error_of(text: &str) -> String {
        parse(text.as_bytes()).err().map_or_else(String::new, |error| format!("{error:#}"))
    }

    #[test]
    fn a_record_is_read() {
        let mut run = Run::new("0.1.0", Vec::new(), 0, "127.0.0.1:7007".to_owned(), Machine::default());
        run.samples.push(Sample { t: 0.5, produced: 7, ..Sample::default() });
        let mut file = Vec::new();
        run.write(&mut file).expect("memory takes everything");

        assert_eq!(parse(&file).expect("it is a record"), run);
    }

    #[test]
    fn lines_of_a_run_are_read() {
        let text = format!("{SAMPLE}\n\n{{\"event\":\"news\",\"x\":1}}\n{SAMPLE}\n");

        let run = parse(text.as_bytes()).expect("these are samples");

        assert_eq!(run.samples.iter().map(|sample| sample.produced).collect::<Vec<_>>(), [9, 9]);
        assert_eq!(run.summary, None);
    }

    #[test]
    fn what_is_no_run_is_refused_with_its_reason() {
        let demo = SAMPLE.replacen("\"t\"", "\"side\":\"off\",\"t\"", 1);
        for (text, reason) in [
            ("", "empty"),
            ("hello", "no JSON"),
            ("{\"event\":\"listening\"}", "no samples"),
            (&format!("{SAMPLE}\n{}", &SAMPLE[..30]), "line 2"),
            (&demo, "both sides"),
        ] {
            assert!(error_of(text).contains(reason), "{text:?}: {}", error_of(text));
        }
    }
}
