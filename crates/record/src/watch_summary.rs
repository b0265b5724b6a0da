//! What a watch has seen: how it ended for one who sends nothing and reads nothing.

use serde::{Deserialize, Serialize};

use crate::SCHEMA_VERSION;

/// The most of everything that a watch of a live server has seen. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchSummary {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// For how long it was watched.
    pub seconds: f64,
    /// Connections that were seen, those that have gone included.
    pub connections_seen: u64,
    /// Connections that were open at once.
    #[serde(alias = "most_connections")]
    pub max_connections: u32,
    /// Bytes that were in the kernels' queues of all connections at once.
    #[serde(alias = "most_held")]
    pub max_queued: u64,
    /// What the server's memory grew over where it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_memory_growth: Option<u64>,
    /// Memory that the kernel took for the connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "most_kernel_memory")]
    pub max_kernel_memory: Option<u64>,
    /// The process of a server that ended meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "server_ended")]
    pub server_exited: Option<u32>,
}

impl WatchSummary {
    /// A watch that has seen nothing in `seconds`.
    pub fn new(seconds: f64) -> WatchSummary {
        WatchSummary {
            schema_version: SCHEMA_VERSION,
            seconds,
            connections_seen: 0,
            max_connections: 0,
            max_queued: 0,
            server_memory_growth: None,
            max_kernel_memory: None,
            server_exited: None,
        }
    }
}
