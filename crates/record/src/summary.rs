//! The summary: how a run of the client ended.

use serde::{Deserialize, Serialize};

use crate::{SCHEMA_VERSION, Verdict};

/// How a flood ended. Sizes in bytes, times in seconds, frames counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The server's address.
    pub target: String,
    /// From the first connection to the last byte.
    pub seconds: f64,
    /// Connections made.
    pub connections: u32,
    /// Bytes written.
    pub produced: u64,
    /// Bytes read.
    pub consumed: u64,
    /// Bytes of frames that came back right and in order.
    pub verified: u64,
    /// Frames that did not come back at all, judged where the reading ended in order.
    pub lost: u64,
    /// Frames that came back more than once.
    pub duplicated: u64,
    /// Frames that came back after a later one.
    #[serde(default)]
    pub reordered: u64,
    /// Frames that came back wrong.
    pub mismatched: u64,
    /// The longest time for which the server took no byte while there was one to send.
    pub stalled_seconds: f64,
    /// The process that listens at the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_pid: Option<u32>,
    /// The most that the server's memory grew over where it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_memory_growth: Option<u64>,
    /// The most bytes that were inside the server: read and not yet written back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_server: Option<u64>,
    /// What the run says of the server; absent when the client read everything and there was nothing to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Summary {
    /// An empty summary of a run against `target`.
    pub fn new(target: String) -> Summary {
        Summary {
            schema_version: SCHEMA_VERSION,
            target,
            seconds: 0.0,
            connections: 0,
            produced: 0,
            consumed: 0,
            verified: 0,
            lost: 0,
            duplicated: 0,
            reordered: 0,
            mismatched: 0,
            stalled_seconds: 0.0,
            server_pid: None,
            server_memory_growth: None,
            inside_server: None,
            verdict: None,
            reason: None,
        }
    }
}
