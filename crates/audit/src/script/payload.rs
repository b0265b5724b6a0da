//! The bytes of a script, written as a list of readable parts.
//!
//! ```text
//! [{"text": "*2\r\n$3\r\nGET\r\n"}, {"hex": "82ff"}, {"fill": "x", "count": 65536}, {"file": "body.bin"}]
//! ```
//!
//! Parts are checked while they are parsed, so that an error has its line. Files are read afterwards ([`Payload::load`]),
//! because their paths are relative to the script.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ScriptError;
use crate::cell::{CELL, Digits, Mark};

/// Bytes to send or to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Part>", into = "Vec<Part>")]
pub struct Payload {
    parts: Vec<Part>,
    /// What its bytes are marked with. It is not written in a script.
    mark: Option<Mark>,
}

impl Payload {
    /// A payload with these parts.
    pub fn new(parts: Vec<Part>) -> Payload {
        Payload { parts, mark: None }
    }

    /// A payload with a text.
    pub fn text(text: impl Into<String>) -> Payload {
        Payload::new(vec![Part::Text(text.into())])
    }

    /// Length in bytes; files count once they are loaded.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).fold(0, usize::saturating_add)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it repeats one byte, so that any part of it is equivalent to the whole.
    pub fn is_uniform(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Fill { fill, .. }] if fill.len() == 1 && fill != "\n")
    }

    /// All bytes; files count once they are loaded.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        for part in &self.parts {
            match part {
                Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                Part::Hex(hex) => bytes.extend_from_slice(hex),
                Part::Fill { fill, count } => bytes.extend_from_slice(fill.repeat(*count).as_bytes()),
                Part::File { content, .. } => bytes.extend_from_slice(content),
            }
        }
        for (at, mark) in self.cells().filter_map(|(at, digits)| Some((at, self.mark?.text(digits)))) {
            bytes[at..at + mark.len()].copy_from_slice(&mark);
        }
        bytes
    }

    /// The same payload, marked wherever that leaves it valid: in each 64 bytes of a repeated letter or digit.
    pub(crate) fn marked(&self, mark: Mark) -> Payload {
        Payload { parts: self.parts.clone(), mark: Some(mark) }
    }

    /// The same payload after this part.
    pub(crate) fn after(&self, part: Part) -> Payload {
        let parts = [part].into_iter().chain(self.parts.iter().cloned()).collect();
        Payload { parts, mark: self.mark }
    }

    /// Whether it has the same parts, marked or not.
    pub(crate) fn is_like(&self, other: &Payload) -> bool {
        self.parts == other.parts
    }

    /// What it is marked with, if it is.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Where each of its marked cells begins, and the digits of its mark.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (usize, Digits)> {
        let starts = self.parts.iter().scan(0, |next, part| {
            let start = *next;
            *next += part.len();
            Some((start, part))
        });
        let fills = starts.filter_map(|(start, part)| match part {
            Part::Fill { fill, count } => Some((start, Digits::in_place_of(fill)?, count / CELL)),
            _ => None,
        });
        let cells = fills
            .flat_map(|(start, digits, cells)| (0..cells).map(move |cell| (start + cell * CELL, digits)));
        cells.filter(|_| self.mark.is_some())
    }

    /// Reads a payload from a file of at most 64 MiB.
    ///
    /// # Errors
    /// [`ScriptError::Request`] when the file cannot be read or is larger.
    pub fn read(path: &Path) -> Result<Payload, ScriptError> {
        let content = read(path, LARGEST)
            .map_err(|error| ScriptError::Request { path: path.to_owned(), reason: Box::new(error) })?;
        Ok(Payload::new(vec![Part::Hex(content)]))
    }

    /// Reads the files of all parts, relative to `folder`, and subtracts their sizes from `left`.
    ///
    /// # Errors
    /// When a file cannot be read, or is larger than [`LARGEST`] or than `left`.
    pub(super) fn load(&mut self, folder: &Path, left: &mut usize) -> Result<(), ScriptError> {
        for part in &mut self.parts {
            if let Part::File { path, content } = part {
                *content = read(&folder.join(&*path), LARGEST.min(*left))
                    .map_err(|error| error.at(format!("file '{path}'")))?;
                *left -= content.len();
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), ScriptError> {
        if self.len() > LARGEST {
            return Err(ScriptError::PayloadTooLarge(LARGEST));
        }
        Ok(())
    }
}

impl TryFrom<Vec<Part>> for Payload {
    type Error = ScriptError;

    fn try_from(parts: Vec<Part>) -> Result<Payload, ScriptError> {
        let payload = Payload::new(parts);
        payload.check()?;
        Ok(payload)
    }
}

impl From<Payload> for Vec<Part> {
    fn from(payload: Payload) -> Vec<Part> {
        payload.parts
    }
}

/// One part of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Part {
    /// Text in UTF-8.
    Text(String),
    /// Bytes written in hexadecimal.
    Hex(Vec<u8>),
    /// A text, repeated.
    Fill {
        /// The text.
        fill: String,
        /// The number of repetitions.
        count: usize,
    },
    /// The content of a file.
    File {
        /// Its path as written.
        path: String,
        /// Its content, once loaded.
        content: Vec<u8>,
    },
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::Text(text) => text.len(),
            Part::Hex(hex) => hex.len(),
            Part::Fill { fill, count } => fill.len().saturating_mul(*count),
            Part::File { content, .. } => content.len(),
        }
    }
}

/// A part as written in a script: exactly one of four forms.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fill: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl TryFrom<Written> for Part {
    type Error = ScriptError;

    fn try_from(written: Written) -> Result<Part, ScriptError> {
        match written {
            Written { text: Some(text), hex: None, fill: None, count: None, file: None } => {
                Ok(Part::Text(text))
            }
            Written { text: None, hex: Some(hex), fill: None, count: None, file: None } => {
                from_hex(&hex).map(Part::Hex)
            }
            Written { text: None, hex: None, fill: Some(fill), count: Some(count), file: None } => {
                match fill.len().checked_mul(count) {
                    Some(bytes) if bytes <= LARGEST && count <= LARGEST => Ok(Part::Fill { fill, count }),
                    _ => Err(ScriptError::FillTooLarge(LARGEST)),
                }
            }
            Written { text: None, hex: None, fill: Some(_), count: None, file: None } => {
                Err(ScriptError::NoCount)
            }
            Written { text: None, hex: None, fill: None, count: None, file: Some(path) } => {
                Ok(Part::File { path, content: Vec::new() })
            }
            _ => Err(ScriptError::NotOnePart),
        }
    }
}

impl From<Part> for Written {
    fn from(part: Part) -> Written {
        let none = Written::default();
        match part {
            Part::Text(text) => Written { text: Some(text), ..none },
            Part::Hex(hex) => {
                Written { hex: Some(hex.iter().map(|byte| format!("{byte:02x}")).collect()), ..none }
            }
            Part::Fill { fill, count } => Written { fill: Some(fill), count: Some(count), ..none },
            Part::File { path, .. } => Written { file: Some(path), ..none },
        }
    }
}

/// Parses pairs of hexadecimal digits; spaces are allowed.
fn from_hex(text: &str) -> Result<Vec<u8>, ScriptError> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).ok_or(ScriptError::NotHex(c)))
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err(ScriptError::OddHex(digits.len()));
    }
    Ok(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// Reads a file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, ScriptError> {
    let mut content = Vec::new();
    // Reading one byte more than allowed also ends at a file that grows meanwhile, and at /dev/zero.
    File::open(path)
        .and_then(|file| file.take(most as u64 + 1).read_to_end(&mut content))
        .map_err(ScriptError::File)?;
    if content.len() > most {
        return Err(ScriptError::FileTooLarge(most));
    }
    Ok(content)
}

/// Maximum bytes of one payload, and so of each part: 64 MiB, far more than any kernel queues for one socket, so that a stimulus that
/// is sent once can overfill the queues.
const LARGEST: usize = 64 << 20;

/// Maximum bytes of all files of a script, because they are in memory together.
pub(super) const ALL_FILES: usize = 4 * LARGEST;

/// Maximum bytes of a script, which needs about forty times its size while it is parsed. Larger data belongs into files.
pub(super) const LARGEST_SCRIPT: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(json: &str) -> Result<Payload, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn each_form_of_a_part_gives_its_bytes() {
        let payload =
            payload(r#"[{"text":"a\r\n"},{"hex":"00 fF"},{"fill":"xy","count":2}]"#).unwrap().bytes();
        assert_eq!(payload, b"a\r\n\x00\xffxyxy");
    }

    #[test]
    fn errors_name_the_line_and_the_field() {
        for (json, field) in [
            (r#"[{"hex":"0g"}]"#, "field 'hex': 'g'"),
            (r#"[{"hex":"012"}]"#, "field 'hex': 3 digits"),
            (r#"[{"fill":"x"}]"#, "field 'fill' needs 'count'"),
            (r#"[{"fill":"xx","count":99999999}]"#, "field 'count'"),
            (r#"[{"fill":"","count":67108865}]"#, "field 'count'"),
            (r#"[{"text":"x","hex":"00"}]"#, "exactly one of"),
            (r#"[{"txt":"x"}]"#, "unknown field `txt`"),
        ] {
            let error = payload(json).unwrap_err();
            assert!(error.contains(field) && error.contains("line 1"), "{json} gave: {error}");
        }
    }

    #[test]
    fn the_total_size_of_the_parts_is_limited() {
        let error = payload(r#"[{"fill":"x","count":67108864},{"text":"x"}]"#).unwrap_err();

        assert!(error.contains("a payload is at most 64 MiB"), "{error}");
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let parts = r#"[{"text":"a"},{"hex":"00ff"},{"fill":"x","count":3},{"file":"b"}]"#;
        assert_eq!(serde_json::to_string(&payload(parts).unwrap()).unwrap(), parts);
    }
}
