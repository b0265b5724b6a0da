//! What happened to a client that sends what the slow reader sent, and reads the replies.

use serde::{Deserialize, Serialize};

/// What happened to the control client: it sends the same as a slow reader that was disconnected, at the same pace, and reads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Control {
    /// Bytes that it sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// How long it was connected, in seconds.
    pub seconds: f64,
    /// When the server disconnected it, in seconds since it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disconnected_at: Option<f64>,
    /// Whether the server disconnected a client that sent only the first bytes of the input. `None` if that was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_first_bytes: Option<bool>,
    /// The first bytes of what it received, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_text: Option<String>,
}
