//! Parses a recording from a stream, field by field, and explains why a file is not one.
//!
//! The parser is not derived, for three reasons: samples are counted as they come, a foreign file and one of a newer version are
//! refused at the field that shows it, and what has been read by then decides which error it is.

use std::cell::Cell;
use std::fmt;
use std::io::Read;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use crate::intake::{Intake, Samples};
use crate::{Ending, Machine, Run, RunError, SCHEMA_VERSION};

/// Reads one recording, to the end of `reader`.
pub(crate) fn read(reader: impl Read, intake: &Intake) -> Result<Run, RunError> {
    let parser = Parser { intake, is_record: Cell::default() };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let run = (&parser).deserialize(&mut json).and_then(|run| json.end().map(|()| run));
    run.map_err(|error| parser.explain(error))
}

/// A recording being read.
struct Parser<'a> {
    intake: &'a Intake,
    /// Whether the field was read that identifies a recording.
    is_record: Cell<bool>,
}

impl Parser<'_> {
    /// Translates an error of the parser, depending on what was read before it.
    fn explain(&self, error: serde_json::Error) -> RunError {
        let what = shortened(&error.to_string());
        let cut_off = RunError::CutOff { line: error.line(), column: error.column() };
        let is_record = self.is_record.get();
        match error.classify() {
            Category::Io => RunError::Read(error.into()),
            Category::Eof if !self.intake.has_text() => foreign("the file is empty".to_owned()),
            // To the parser, a truncated number is an invalid number and not the end of the input.
            Category::Eof => cut_off,
            Category::Syntax if self.intake.has_ended() && is_record => cut_off,
            Category::Syntax | Category::Data if is_record => RunError::Damaged { why: what },
            Category::Syntax => foreign(format!("not JSON ({what})")),
            Category::Data => foreign(format!("JSON of another kind ({what})")),
        }
    }
}

fn foreign(why: String) -> RunError {
    RunError::Foreign { why }
}

impl<'de> DeserializeSeed<'de> for &Parser<'_> {
    type Value = Run;

    fn deserialize<D: Deserializer<'de>>(self, record: D) -> Result<Run, D::Error> {
        record.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &Parser<'_> {
    type Value = Run;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a recording")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Run, A::Error> {
        let mut run = Run::new("", Vec::new(), 0, String::new(), Machine::default());
        let (mut version, mut summary, mut watch, mut evidence) = (0, None, None, None);
        let mut seen = Vec::new();
        while let Some(key) = fields.next_key::<String>()? {
            // Two fields had another name in version 1.
            let key = match key.as_str() {
                "began" => "started",
                "watched" => "watch",
                key => key,
            };
            let Some(field) = REQUIRED.into_iter().chain(OPTIONAL).find(|field| *field == key) else {
                fields.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen.contains(&field) {
                return Err(A::Error::duplicate_field(field));
            }
            seen.push(field);
            match field {
                "file" => {
                    let file: String = fields.next_value()?;
                    if file != Run::FILE {
                        let name: String = file.chars().take(MOST_NAME).collect();
                        let why = foreign(format!("its field `file` is {name:?}"));
                        return Err(A::Error::custom(self.intake.refuse(why)));
                    }
                    self.is_record.set(true);
                }
                "schema_version" => version = fields.next_value()?,
                "version" => run.version = fields.next_value()?,
                "command" => run.command = fields.next_value()?,
                "started" => run.started = fields.next_value()?,
                "target" => run.target = fields.next_value()?,
                "machine" => run.machine = fields.next_value()?,
                "samples" => run.samples = fields.next_value_seed(Samples(self.intake))?,
                "summary" => summary = fields.next_value()?,
                "watch" => watch = fields.next_value()?,
                _ => evidence = fields.next_value()?,
            }
            if self.is_record.get() && version > SCHEMA_VERSION {
                return Err(A::Error::custom(self.intake.refuse(RunError::TooNew { found: version })));
            }
        }
        if let Some(missing) = REQUIRED.into_iter().find(|field| !seen.contains(field)) {
            return Err(A::Error::missing_field(missing));
        }
        run.ending = Ending::of_parts(summary, watch, evidence).map_err(A::Error::custom)?;
        run.upgrade(version);
        Ok(run)
    }
}

/// The fields that each recording has.
const REQUIRED: [&str; 8] =
    ["file", "schema_version", "version", "command", "started", "target", "machine", "samples"];

/// The fields of its ending.
const OPTIONAL: [&str; 3] = ["summary", "watch", "evidence"];

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
