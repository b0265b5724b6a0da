//! The steps of a script: what is sent once, and what to wait for.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::ScriptError;
use crate::cell::Mark;

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

    pub(super) fn marked(&self, mark: Mark) -> Step {
        let marked = |payload: &Option<Payload>| payload.as_ref().map(|payload| payload.marked(mark));
        Step { send: marked(&self.send), expect: marked(&self.expect) }
    }

    pub(super) fn load(&mut self, folder: &Path, left: &mut usize) -> Result<(), ScriptError> {
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
