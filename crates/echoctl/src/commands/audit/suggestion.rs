//! What to try next, as a phrase and the command for it.

use echoctl_verdict::Advice;

use crate::commands::advice;

/// What to try next, and the command for it, if there is one that can be pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// A phrase, for a sentence that begins with `Try next:`.
    pub(super) what: String,
    /// The command line.
    pub(super) command: Option<String>,
}

impl Suggestion {
    /// What follows from an advice.
    pub(super) fn new(advice: Advice) -> Suggestion {
        Suggestion { what: advice::text(advice), command: None }
    }

    /// The phrase and the command as one line.
    pub(super) fn line(&self) -> String {
        match &self.command {
            Some(command) => format!("{}: {command}", self.what),
            None => self.what.clone(),
        }
    }
}
