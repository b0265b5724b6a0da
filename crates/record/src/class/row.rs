//! One connection of a class.

use serde::{Deserialize, Serialize};

use crate::{ConnectionCause, printable};

/// A connection. Sizes in bytes, times in seconds; what is absent is not visible here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassRow {
    /// Names the connection while it lasts, and no other one.
    pub id: u64,
    /// Address of the client.
    pub peer: String,
    /// What the client calls itself: see [`ClassRow::shown_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Written by the client, not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_send: Option<u64>,
    /// Received, not read by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_receive: Option<u64>,
    /// Inside the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<u64>,
    /// Written by the server, not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_send: Option<u64>,
    /// Received, not read by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_receive: Option<u64>,
    /// The visible ones of these together.
    pub held: u64,
    /// What the connection waits for.
    pub cause: ConnectionCause,
    /// How long it has, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause_seconds: Option<f64>,
    /// Both as they are printed: "client does not read (42 s)".
    pub diagnosis: String,
    /// From the client, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_rate: Option<f64>,
    /// To the client, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_rate: Option<f64>,
    /// Frames that the server has dropped.
    pub dropped_frames: u64,
}

impl ClassRow {
    /// Maximum length of a name, in characters.
    pub const MAX_NAME: usize = 40;

    /// A name as it is shown: at most [`ClassRow::MAX_NAME`] characters, of which each moves no cursor and reorders no text.
    pub fn shown_name(name: &str) -> String {
        printable(name.trim()).chars().take(ClassRow::MAX_NAME).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_short_and_executes_nothing() {
        let name = format!(" \u{1b}[2J\u{202e}<b>ada</b>{}", "x".repeat(1 << 20));

        let shown = ClassRow::shown_name(&name);

        assert!(shown.starts_with("␛[2J\u{fffd}<b>ada</b>x"), "{shown}");
        assert_eq!(shown.chars().count(), ClassRow::MAX_NAME);
    }
}
