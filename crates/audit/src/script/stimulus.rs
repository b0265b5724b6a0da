//! The stimulus of a script: the bytes that are sent while the slow reader does not read, once or repeatedly.

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::ScriptError;

/// What is sent while the slow reader does not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "WrittenStimulus")]
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
pub(super) struct WrittenStimulus {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    once: Option<Payload>,
}

impl WrittenStimulus {
    /// Whether it has its bytes, which may be none.
    pub(super) fn is_stated(&self) -> bool {
        self.repeat.is_some() || self.once.is_some()
    }
}

impl TryFrom<WrittenStimulus> for Stimulus {
    type Error = ScriptError;

    fn try_from(written: WrittenStimulus) -> Result<Stimulus, ScriptError> {
        let send = match (written.repeat, written.once) {
            (Some(payload), None) => SendMode::Repeat(payload),
            (None, once) => SendMode::Once(once.unwrap_or_default()),
            (Some(_), Some(_)) => return Err(ScriptError::NotOneStimulus),
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
