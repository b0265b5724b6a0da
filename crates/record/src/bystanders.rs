//! How healthy clients of the same server were served during an attack.

use serde::{Deserialize, Serialize};

/// How healthy clients were served before, during and after an attack.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bystanders {
    /// The longest wait for a reply before the attack, in seconds.
    pub calm: f64,
    /// Whether the server replied to one while another one was connected. If not, it serves one client at a time even without an
    /// attack, and bystanders ask only after it.
    pub serves_several: bool,
    /// How long a bystander waits for a reply, in seconds.
    pub limit: f64,
    /// The one that asks again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Service>,
    /// The one that is silent between its first request and the end of the attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Service>,
    /// The one that connects during the attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newcomer: Option<Service>,
    /// The one that gets what the slow reader gets, from a publisher, and reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscriber: Option<Service>,
}

impl Bystanders {
    /// All that exist.
    pub fn all(&self) -> impl Iterator<Item = Service> {
        [self.active, self.idle, self.newcomer, self.subscriber].into_iter().flatten()
    }
}

/// How one healthy client was served. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Service {
    /// Replies that it got during the attack.
    pub replies: u64,
    /// The 99th percentile of its waits for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Its longest wait, one that ended without a reply included.
    pub longest: f64,
    /// Whether it got the reply to its last request of the attack, while nothing was being read. `None` if it did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<bool>,
    /// Whether it got a reply after the slow reader had gone. `None` if it did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<bool>,
    /// Whether that reply of the attack began, and did not go on as it does without an attack. It counts as not got.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub began: bool,
    /// Whether it was refused instead, as by the HTTP status 503. That counts as no reply where it gets another one without an attack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}
