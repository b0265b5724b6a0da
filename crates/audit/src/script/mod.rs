//! A script: what is sent to a server, step by step, as data.
//!
//! ```text
//! prepare    steps on separate connections, before the attack                SET k xxxxx…    expect +OK
//! setup      steps on the slow reader's connection, the only time it reads   SUBSCRIBE c     expect subscribe
//! stimulus   sent by the slow reader, or by a publisher that reads           PUBLISH c yyy…  repeated, or once
//! ```
//!
//! The same server can be unbounded under one script and bounded under another (a line protocol without a newline never
//! answers), so a verdict holds only for its script. Scripts are written as TOML or JSON, or made by a
//! [`Preset`](crate::Preset). The [`attack`](crate::attack) carries them out.

mod escape;
pub(crate) mod payload;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use escape::unescape;
pub use payload::{Part, Payload};

use crate::ScriptError;
use crate::marks::Mark;

/// What is sent to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// A description for reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Steps on separate connections, before the attack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Step>,
    /// Steps on the slow reader's connection, the only time it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
    /// The client that sends the stimulus instead of the slow reader, and reads its own replies.
    #[serde(default, alias = "feeder", skip_serializing_if = "Option::is_none")]
    pub publisher: Option<Publisher>,
    /// What is sent while the slow reader does not read.
    pub stimulus: Stimulus,
    /// The request that a healthy client sends repeatedly, and the reply that it waits for. Without it, the request is one
    /// stimulus and the reply is any byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bystander: Option<Step>,
    /// Whether the server returns all input unchanged, so that lost and corrupt bytes can be detected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
}

impl Script {
    /// A script with only a stimulus.
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

    /// The same script, whose payloads are marked wherever that leaves them valid. It is printed as before.
    pub(crate) fn marked(&self, mark: Mark) -> Script {
        let steps = |steps: &[Step]| steps.iter().map(|step| step.marked(mark)).collect();
        let send = match &self.stimulus.send {
            SendMode::Repeat(payload) => SendMode::Repeat(payload.marked(mark)),
            SendMode::Once(payload) => SendMode::Once(payload.marked(mark)),
        };
        let publisher = self.publisher.as_ref();
        Script {
            about: self.about.clone(),
            prepare: steps(&self.prepare),
            setup: steps(&self.setup),
            publisher: publisher.map(|publisher| Publisher { setup: steps(&publisher.setup) }),
            stimulus: Stimulus { kind: self.stimulus.kind.clone(), send },
            bystander: self.bystander.as_ref().map(|step| step.marked(mark)),
            echo: self.echo,
        }
    }

    /// Whether the slow reader gets back what it sends.
    pub(crate) fn is_echo(&self) -> bool {
        self.echo && self.publisher.is_none()
    }

    /// Reads a script from a file: JSON if the name ends in `.json` or the text begins with a brace, otherwise TOML.
    ///
    /// # Errors
    /// [`ScriptError::Script`], with the line and the field at fault.
    pub fn read(path: &Path) -> Result<Script, ScriptError> {
        Script::load_from(path)
            .map_err(|error| ScriptError::Script { path: path.to_owned(), reason: Box::new(error) })
    }

    fn load_from(path: &Path) -> Result<Script, ScriptError> {
        let content = payload::read(path, payload::LARGEST_SCRIPT)?;
        let text = String::from_utf8(content).map_err(|_| ScriptError::NotText)?;
        let is_json =
            path.extension().is_some_and(|suffix| suffix == "json") || text.trim_start().starts_with('{');
        let mut script = if is_json { Script::from_json(&text) } else { Script::from_toml(&text) }?;
        script.load(path.parent().unwrap_or(Path::new(".")))?;
        Ok(script)
    }

    /// Parses a script as JSON. Files that it names are not loaded yet.
    ///
    /// # Errors
    /// [`ScriptError::Json`], with line, column and field.
    pub fn from_json(text: &str) -> Result<Script, ScriptError> {
        serde_json::from_str(text).map_err(ScriptError::Json)
    }

    /// Parses a script as TOML. Files that it names are not loaded yet.
    ///
    /// # Errors
    /// [`ScriptError::Toml`], with the line and the field marked in it.
    pub fn from_toml(text: &str) -> Result<Script, ScriptError> {
        toml::from_str(text).map_err(|error| ScriptError::Toml(Box::new(error)))
    }

    /// The script as TOML, ready to be edited.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("invariant: a script holds nothing that TOML cannot express")
    }

    /// Loads the files and checks what the parser cannot.
    fn load(&mut self, folder: &Path) -> Result<(), ScriptError> {
        let mut left = payload::ALL_FILES;
        for (name, steps) in [("prepare", &mut self.prepare), ("setup", &mut self.setup)] {
            load_steps(name, steps, folder, &mut left)?;
        }
        if let Some(publisher) = &mut self.publisher {
            load_steps("publisher.setup", &mut publisher.setup, folder, &mut left)?;
        }
        if let Some(bystander) = &mut self.bystander {
            bystander.load(folder, &mut left).map_err(|error| error.at("bystander"))?;
        }
        let stimulus = match &mut self.stimulus.send {
            SendMode::Repeat(payload) | SendMode::Once(payload) => payload,
        };
        stimulus.load(folder, &mut left).map_err(|error| error.at("stimulus"))?;
        if stimulus.is_empty() && matches!(self.stimulus.send, SendMode::Repeat(_)) {
            return Err(ScriptError::EmptyRepeat);
        }
        Ok(())
    }
}

fn load_steps(name: &str, steps: &mut [Step], folder: &Path, left: &mut usize) -> Result<(), ScriptError> {
    for (index, step) in steps.iter_mut().enumerate() {
        step.load(folder, left).map_err(|error| error.at(format!("{name}[{index}]")))?;
    }
    Ok(())
}

/// One step: send, then wait for an answer. Either may be omitted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Payload>,
    /// What to wait for, anywhere in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Payload>,
}

impl Step {
    /// Sends, and waits for an answer.
    pub fn ask(send: Payload, expect: Payload) -> Step {
        Step { send: Some(send), expect: Some(expect) }
    }

    /// Waits for a text.
    pub fn expect(text: &str) -> Step {
        Step { send: None, expect: Some(Payload::text(text)) }
    }

    fn marked(&self, mark: Mark) -> Step {
        let marked = |payload: &Option<Payload>| payload.as_ref().map(|payload| payload.marked(mark));
        Step { send: marked(&self.send), expect: marked(&self.expect) }
    }

    fn load(&mut self, folder: &Path, left: &mut usize) -> Result<(), ScriptError> {
        let fields = [("send", &mut self.send), ("expect", &mut self.expect)];
        let mut none = true;
        for (name, payload) in fields {
            if let Some(payload) = payload {
                none = false;
                payload.load(folder, left).map_err(|error| error.at(name))?;
                if payload.is_empty() {
                    return Err(ScriptError::EmptyField(name));
                }
            }
        }
        if none { Err(ScriptError::EmptyStep) } else { Ok(()) }
    }
}

/// The client that sends the stimulus instead of the slow reader.
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
    /// A description for reports.
    pub kind: Option<String>,
    /// The bytes, and whether they are repeated.
    pub send: SendMode,
}

impl Stimulus {
    /// A stimulus that is sent repeatedly.
    pub fn repeat(kind: &str, payload: Payload) -> Stimulus {
        Stimulus { kind: Some(kind.to_owned()), send: SendMode::Repeat(payload) }
    }

    /// A stimulus that is sent once.
    pub fn once(kind: &str, payload: Payload) -> Stimulus {
        Stimulus { kind: Some(kind.to_owned()), send: SendMode::Once(payload) }
    }

    /// Bytes that the server needs for an answer: one stimulus, or one byte if it has no framing.
    pub fn unit(&self) -> u64 {
        let (SendMode::Repeat(payload) | SendMode::Once(payload)) = &self.send;
        if payload.is_uniform() { 1 } else { payload.len() as u64 }
    }
}

/// The bytes of a stimulus, and whether they are repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendMode {
    /// Repeatedly, as fast as the server accepts them.
    Repeat(Payload),
    /// Once: the reply is what grows.
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
    type Error = ScriptError;

    fn try_from(written: WrittenStimulus) -> Result<Stimulus, ScriptError> {
        let send = match (written.repeat, written.once) {
            (Some(payload), None) => SendMode::Repeat(payload),
            (None, Some(payload)) => SendMode::Once(payload),
            _ => return Err(ScriptError::NotOneStimulus),
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
