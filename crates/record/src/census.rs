//! The count of marked bytes in the server's memory, which shows whose bytes are in it.

use serde::{Deserialize, Serialize};

/// What a search of the server's memory for marked bytes found, at the end of the attack and before the draining.
///
/// It is an upper bound of what the server buffers, since memory that was freed and not overwritten counts, and it does not see
/// copies that are compressed, encoded or encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Census {
    /// Which bytes carry the mark.
    pub marked: Marked,
    /// Marked bytes found.
    pub bytes: u64,
    /// Marked bytes found before the attack.
    pub before: u64,
    /// Bytes of memory that were searched.
    pub scanned: u64,
    /// Whether that was all of the writable memory of all of the server's processes.
    pub is_complete: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Census {
    /// Marked bytes that the attack has added.
    pub fn added(&self) -> u64 {
        self.bytes.saturating_sub(self.before)
    }
}

/// Which bytes carry the mark that a census counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marked {
    /// The input: the slow reader or the publisher sent it with a mark of its own.
    Input,
    /// The output: the mark is a piece of a reply that came before the attack, or was stored in the server before it.
    Output,
}
