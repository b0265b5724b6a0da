//! One moment of a class.

use serde::{Deserialize, Serialize};

use super::{ClassPoint, ClassRow, Question};

/// One moment, as the page shows it. Sizes in bytes, times in seconds, rates in bytes per second; what is absent is not visible here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassState {
    /// Its point in the chart.
    #[serde(flatten)]
    pub point: ClassPoint,
    /// Name of the server's policy.
    pub policy: String,
    /// What the switch offers.
    pub policies: Vec<PolicyChoice>,
    /// Limit of the reply queue, if the policy has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_limit: Option<u64>,
    /// How long a client may accept no byte while replies are pending; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_timeout: Option<f64>,
    /// Bytes inside the server above which it resets the largest connections.
    pub memory_limit: u64,
    /// Whether the server reads from no connection.
    pub is_paused: bool,
    /// Number of open connections.
    pub connections: usize,
    /// Number of connections that wait for a peer that does not read.
    pub stalled: usize,
    /// The connections, at most [`ClassState::MAX_ROWS`], the worst first.
    pub rows: Vec<ClassRow>,
    /// Which queue is full, and why.
    pub sentence: String,
    /// The latest changes of a setting, at most [`ClassState::MAX_MARKS`].
    pub marks: Vec<Mark>,
    /// What the class is asked, with its votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

impl ClassState {
    /// Maximum number of rows: as many as a projector shows.
    pub const MAX_ROWS: usize = 40;
    /// Maximum number of marks.
    pub const MAX_MARKS: usize = 50;
    /// Maximum length as JSON, in bytes. Two states per second then are 64 KiB per second.
    pub const MAX_JSON: usize = 32 << 10;
}

/// A change of a setting.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// When, in seconds since the class began.
    pub t: f64,
    /// What it was changed to.
    pub label: String,
}

/// A policy that the switch offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyChoice {
    /// Its name.
    pub name: String,
    /// Limit of the reply queue in bytes, unless another is set; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_limit: Option<u64>,
}

/// What stays the same while the class lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClassSetup {
    /// Addresses of the echo server, as students type them; none in a replay.
    pub join: Vec<String>,
    /// Name of the recording that is replayed, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}
