//! What a teacher may ask of a class.

use serde::{Deserialize, Serialize};

use super::NewQuestion;

/// A command. In JSON `{"command":"set_policy","name":"await"}`. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum ClassCommand {
    /// Change the policy.
    SetPolicy {
        /// Its name.
        name: String,
        /// Limit of the reply queue; absent: that of its [`PolicyChoice`](super::PolicyChoice).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue_limit: Option<u64>,
    },
    /// Change the limit of the reply queue: of the present policy, and of those that are chosen later.
    SetQueueLimit {
        /// Bytes.
        bytes: u64,
    },
    /// Change how long a client may accept no byte while replies are pending.
    SetWriteTimeout {
        /// Seconds; absent: for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<f64>,
    },
    /// Change the number of bytes inside the server above which it resets the largest connections.
    SetMemoryLimit {
        /// Bytes.
        bytes: u64,
    },
    /// Read from no connection, or from all again.
    Pause {
        /// Whether to pause.
        paused: bool,
    },
    /// Reset one connection.
    Reset {
        /// Its [`ClassRow::id`](super::ClassRow::id).
        id: u64,
    },
    /// Ask the class a question, in place of the present one.
    Ask(NewQuestion),
    /// Count no more votes.
    CloseVote,
    /// Run the lesson of the question, and show what it measures.
    Run,
    /// Show the answer to the question.
    Answer {
        /// Index of the right choice; absent if none is right.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<usize>,
        /// What was measured, in words.
        #[serde(default)]
        measured: String,
    },
    /// Take the question off the page.
    Dismiss,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_the_json_that_the_page_sends() {
        let read = |json: &str| serde_json::from_str::<ClassCommand>(json).unwrap();

        let set = ClassCommand::SetPolicy { name: "drop".to_owned(), queue_limit: Some(9) };
        assert_eq!(read(r#"{"command":"set_policy","name":"drop","queue_limit":9}"#), set);
        assert_eq!(
            read(r#"{"command":"set_write_timeout","seconds":null}"#),
            ClassCommand::SetWriteTimeout { seconds: None }
        );
        assert_eq!(read(r#"{"command":"close_vote"}"#), ClassCommand::CloseVote);
        let ask =
            NewQuestion { text: "?".to_owned(), choices: vec!["a".to_owned(), "b".to_owned()], lesson: None };
        assert_eq!(read(r#"{"command":"ask","text":"?","choices":["a","b"]}"#), ClassCommand::Ask(ask));
    }
}
