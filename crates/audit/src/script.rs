//! The script: what is done to a server, step by step, as data.
//!
//! ```text
//! prepare    steps on connections of their own, before anything else       SET k xxxxx…      expect +OK
//! setup      steps on the slow reader's connection, the only time it reads      SUBSCRIBE c       expect subscribe
//! stimulus   sent by the slow reader, or by a publisher that reads its answers     PUBLISH c yyy…    again and again, or once
//! ```
//!
//! The same server is unbounded under one script and bounded under another (a line protocol given no newline never
//! answers), so a verdict holds for its script alone. Scripts are written by hand as TOML or JSON, or made by a
//! [`Preset`](crate::Preset). Who carries them out is [`attack`](crate::attack).

mod escape;
pub(crate) mod payload;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use escape::unescape;
pub use payload::{Part, Payload};

use crate::Error;

/// What is done to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it does, for reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Steps on a connection of their own, before the attack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Step>,
    /// Steps on the slow reader's connection, the only time it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
    /// When there is one, it sends the stimulus in the slow reader's place and reads its own answers.
    #[serde(default, alias = "feeder", skip_serializing_if = "Option::is_none")]
    pub publisher: Option<Publisher>,
    /// What is sent while the slow reader does not read.
    pub stimulus: Stimulus,
    /// What a healthy client asks, over and over, and the answer it waits for. Without it one stimulus is the question
    /// and its first byte back the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bystander: Option<Step>,
    /// Whether all that is sent comes back as it is, so that loss and damage can be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
}

impl Script {
    /// A script of a stimulus alone.
    pub fn new(stimulus: Stimulus) -> Script {
        Script {
            about: None,
            prepare: Vec::new(),
            setup: Vec::new(),
            publisher: None,
            stimulus,
            bystander: None,
            echo: false,
        }
    }

    /// Reads a script from a file: JSON if its name ends so or it begins with a brace, else TOML.
    ///
    /// # Errors
    /// [`Error::Script`], with the line and the field at fault.
    pub fn read(path: &Path) -> Result<Script, Error> {
        let wrong = |reason: String| Error::Script { path: path.to_owned(), reason };
        let content = payload::read(path, payload::LARGEST_SCRIPT).map_err(wrong)?;
        let text = String::from_utf8(content).map_err(|_| wrong("it is no UTF-8 text".to_owned()))?;
        let is_json =
            path.extension().is_some_and(|suffix| suffix == "json") || text.trim_start().starts_with('{');
        let parsed = if is_json { Script::from_json(&text) } else { Script::from_toml(&text) };
        let mut script = parsed.map_err(wrong)?;
        script.load(path.parent().unwrap_or(Path::new("."))).map_err(wrong)?;
        Ok(script)
    }

    /// Reads a script from JSON. Files it names are not loaded yet.
    ///
    /// # Errors
    /// A sentence with line, column and field.
    pub fn from_json(text: &str) -> Result<Script, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads a script from TOML. Files it names are not loaded yet.
    ///
    /// # Errors
    /// A text with the line itself and the field marked in it.
    pub fn from_toml(text: &str) -> Result<Script, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// As TOML, ready to be edited.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("invariant: a script holds nothing that TOML cannot express")
    }

    /// Loads the files and checks what parsing cannot.
    fn load(&mut self, folder: &Path) -> Result<(), String> {
        let mut left = payload::ALL_FILES;
        for (name, steps) in [("prepare", &mut self.prepare), ("setup", &mut self.setup)] {
            load_steps(name, steps, folder, &mut left)?;
        }
        if let Some(publisher) = &mut self.publisher {
            load_steps("publisher.setup", &mut publisher.setup, folder, &mut left)?;
        }
        if let Some(bystander) = &mut self.bystander {
            bystander.load(folder, &mut left).map_err(|error| format!("bystander: {error}"))?;
        }
        let stimulus = match &mut self.stimulus.send {
            SendMode::Repeat(payload) | SendMode::Once(payload) => payload,
        };
        stimulus.load(folder, &mut left).map_err(|error| format!("stimulus: {error}"))?;
        if stimulus.is_empty() && matches!(self.stimulus.send, SendMode::Repeat(_)) {
            return Err("field 'stimulus': 'repeat' of nothing sends nothing".to_owned());
        }
        Ok(())
    }
}

fn load_steps(name: &str, steps: &mut [Step], folder: &Path, left: &mut usize) -> Result<(), String> {
    for (index, step) in steps.iter_mut().enumerate() {
        step.load(folder, left).map_err(|error| format!("{name}[{index}]: {error}"))?;
    }
    Ok(())
}

/// One step: send, then wait for an answer; either may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Payload>,
    /// What is read until it has arrived, wherever in the answer it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Payload>,
}

impl Step {
    /// Sends, and waits for the answer.
    pub fn ask(send: Payload, expect: Payload) -> Step {
        Step { send: Some(send), expect: Some(expect) }
    }

    /// Waits for a text.
    pub fn expect(text: &str) -> Step {
        Step { send: None, expect: Some(Payload::text(text)) }
    }

    fn load(&mut self, folder: &Path, left: &mut usize) -> Result<(), String> {
        let fields = [("send", &mut self.send), ("expect", &mut self.expect)];
        let mut none = true;
        for (name, payload) in fields {
            if let Some(payload) = payload {
                none = false;
                payload.load(folder, left).map_err(|error| format!("{name}: {error}"))?;
                if payload.is_empty() {
                    return Err(format!("field '{name}' is empty"));
                }
            }
        }
        if none { Err("a step needs 'send', 'expect' or both".to_owned()) } else { Ok(()) }
    }
}

/// The connection that sends the stimulus in the slow reader's place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// Steps on the publisher's connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
}

/// What is sent while the slow reader does not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenStimulus", into = "WrittenStimulus")]
pub struct Stimulus {
    /// What it is, for reports.
    pub kind: Option<String>,
    /// The bytes, and how often.
    pub send: SendMode,
}

impl Stimulus {
    /// Sent again and again.
    pub fn repeat(kind: &str, payload: Payload) -> Stimulus {
        Stimulus { kind: Some(kind.to_owned()), send: SendMode::Repeat(payload) }
    }

    /// Sent once.
    pub fn once(kind: &str, payload: Payload) -> Stimulus {
        Stimulus { kind: Some(kind.to_owned()), send: SendMode::Once(payload) }
    }
}

impl Stimulus {
    /// Bytes that an answer needs: those of one stimulus, or any one where there is no framing.
    pub fn unit(&self) -> u64 {
        let (SendMode::Repeat(payload) | SendMode::Once(payload)) = &self.send;
        if payload.is_uniform() { 1 } else { payload.len() as u64 }
    }
}

/// The bytes of a stimulus, and how often they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendMode {
    /// Again and again, as fast as the server takes it.
    Repeat(Payload),
    /// Once: the server's answer is what grows.
    Once(Payload),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStimulus {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    once: Option<Payload>,
}

impl TryFrom<WrittenStimulus> for Stimulus {
    type Error = &'static str;

    fn try_from(written: WrittenStimulus) -> Result<Stimulus, &'static str> {
        let send = match (written.repeat, written.once) {
            (Some(payload), None) => SendMode::Repeat(payload),
            (None, Some(payload)) => SendMode::Once(payload),
            _ => return Err("field 'stimulus' needs exactly one of 'repeat' and 'once'"),
        };
        Ok(Stimulus { kind: written.kind, send })
    }
}

impl From<Stimulus> for WrittenStimulus {
    fn from(stimulus: Stimulus) -> WrittenStimulus {
        let kind = stimulus.kind;
        match stimulus.send {
            SendMode::Repeat(payload) => WrittenStimulus { kind, repeat: Some(payload), once: None },
            SendMode::Once(payload) => WrittenStimulus { kind, once: Some(payload), repeat: None },
        }
    }
}

#[cfg(test)]
mod tests;
