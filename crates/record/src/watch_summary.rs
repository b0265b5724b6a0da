//! Totals of a watch, which sends nothing and reads nothing.

use serde::{Deserialize, Serialize};

use crate::SchemaVersion;

/// Maxima that a watch of a live server has seen. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WatchSummary {
    /// That of the object.
    pub schema_version: SchemaVersion,
    /// Duration of the watch.
    pub seconds: f64,
    /// Connections seen, including closed ones.
    pub connections_seen: u64,
    /// The most connections open at the same time.
    #[serde(alias = "most_connections")]
    pub max_connections: u32,
    /// The most bytes in the kernels' queues of all connections at the same time.
    #[serde(alias = "most_held")]
    pub max_queued: u64,
    /// The most that the server's memory grew since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_memory_growth: Option<u64>,
    /// The most kernel memory of the connections.
    #[serde(default, alias = "most_kernel_memory", skip_serializing_if = "Option::is_none")]
    pub max_kernel_memory: Option<u64>,
    /// Process of a server that exited during the watch.
    #[serde(default, alias = "server_ended", skip_serializing_if = "Option::is_none")]
    pub server_exited: Option<u32>,
}

impl WatchSummary {
    /// A watch that has seen nothing in `seconds`.
    pub fn new(seconds: f64) -> WatchSummary {
        WatchSummary { seconds, ..WatchSummary::default() }
    }
}
