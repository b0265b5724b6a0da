//! Parses a recording from a stream, field by field, and explains why a file is not one.
//!
//! The parser is not derived, for three reasons: samples are counted as they come, a foreign file and one of a newer version are
//! refused at the field that shows it, and what has been read by then decides which error it is.

use std::cell::RefCell;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::intake::{Intake, Samples};
use crate::{Run, RunError, SCHEMA_VERSION};

/// Reads one recording, to the end of `reader`.
pub(crate) fn read(reader: impl Read, intake: &Intake) -> Result<Run, RunError> {
    let parser = Parser { intake, known: RefCell::default() };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let run = (&parser).deserialize(&mut json).and_then(|run| json.end().map(|()| run));
    run.map_err(|error| parser.explain(error))
}

/// A recording being read.
struct Parser<'a> {
    intake: &'a Intake,
    known: RefCell<Identity>,
}

/// The two fields that identify a recording, as far as they have been read.
#[derive(Default)]
struct Identity {
    file: Option<String>,
    schema_version: Option<u32>,
}

impl Identity {
    fn is_record(&self) -> bool {
        self.file.as_deref() == Some(Run::FILE)
    }
}

impl Parser<'_> {
    /// Stores one of the two fields, and refuses a foreign file and a newer version.
    fn note<E: Error>(&self, note: impl FnOnce(&mut Identity)) -> Result<(), E> {
        let mut known = self.known.borrow_mut();
        note(&mut known);
        let is_foreign = known.file.is_some() && !known.is_record();
        let is_too_new =
            known.is_record() && known.schema_version.is_some_and(|found| found > SCHEMA_VERSION);
        if is_foreign || is_too_new { Err(E::custom("not a recording of this version")) } else { Ok(()) }
    }

    /// Translates an error of the parser, depending on what was read before it.
    fn explain(&self, error: serde_json::Error) -> RunError {
        let known = self.known.borrow();
        if let Some(file) = known.file.as_ref().filter(|_| !known.is_record()) {
            let name: String = file.chars().take(MOST_NAME).collect();
            return RunError::Foreign { why: format!("its field `file` is {name:?}") };
        }
        if let Some(found) = known.schema_version.filter(|found| known.is_record() && *found > SCHEMA_VERSION)
        {
            return RunError::TooNew { found };
        }
        let foreign = |why: String| RunError::Foreign { why };
        let what = shortened(&error.to_string());
        match error.classify() {
            Category::Io => RunError::Read(error.into()),
            Category::Eof if !self.intake.has_text() => foreign("the file is empty".to_owned()),
            // To the parser, a truncated number is an invalid number and not the end of the input.
            Category::Eof => RunError::CutOff { line: error.line(), column: error.column() },
            Category::Syntax if self.intake.has_ended() && known.is_record() => {
                RunError::CutOff { line: error.line(), column: error.column() }
            }
            Category::Syntax | Category::Data if known.is_record() => RunError::Damaged { why: what },
            Category::Syntax => foreign(format!("not JSON ({what})")),
            Category::Data => foreign(format!("JSON of another kind ({what})")),
        }
    }
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
        let (mut version, mut command, mut started, mut target) = (None, None, None, None);
        let (mut machine, mut samples, mut summary, mut watch, mut evidence) = (None, None, None, None, None);
        while let Some(field) = fields.next_key()? {
            match field {
                Field::File => {
                    let file = fields.next_value()?;
                    self.note(|known| known.file = Some(file))?;
                }
                Field::SchemaVersion => {
                    let found = fields.next_value()?;
                    self.note(|known| known.schema_version = Some(found))?;
                }
                Field::Version => once(&mut version, "version", fields.next_value()?)?,
                Field::Command => once(&mut command, "command", fields.next_value()?)?,
                Field::Started => once(&mut started, "started", fields.next_value()?)?,
                Field::Target => once(&mut target, "target", fields.next_value()?)?,
                Field::Machine => once(&mut machine, "machine", fields.next_value()?)?,
                Field::Samples => {
                    once(&mut samples, "samples", fields.next_value_seed(Samples(self.intake))?)?
                }
                Field::Summary => once(&mut summary, "summary", fields.next_value()?)?,
                Field::Watch => once(&mut watch, "watch", fields.next_value()?)?,
                Field::Evidence => once(&mut evidence, "evidence", fields.next_value()?)?,
                Field::Other => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        let missing = A::Error::missing_field;
        let known = self.known.borrow();
        Ok(Run {
            file: known.file.clone().ok_or_else(|| missing("file"))?,
            schema_version: known.schema_version.ok_or_else(|| missing("schema_version"))?,
            version: version.ok_or_else(|| missing("version"))?,
            command: command.ok_or_else(|| missing("command"))?,
            started: started.ok_or_else(|| missing("started"))?,
            target: target.ok_or_else(|| missing("target"))?,
            machine: machine.ok_or_else(|| missing("machine"))?,
            samples: samples.ok_or_else(|| missing("samples"))?,
            summary: summary.flatten(),
            watch: watch.flatten(),
            evidence: evidence.flatten(),
        })
    }
}

/// Fills a field that may occur once in a recording.
fn once<T, E: Error>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

/// The fields of a recording.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    File,
    SchemaVersion,
    Version,
    Command,
    #[serde(alias = "began")]
    Started,
    Target,
    Machine,
    Samples,
    Summary,
    #[serde(alias = "watched")]
    Watch,
    Evidence,
    #[serde(other)]
    Other,
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
