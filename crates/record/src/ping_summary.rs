//! Totals of a ping: the round-trip times of frames.

use serde::{Deserialize, Serialize};

use crate::{Latencies, SchemaVersion};

/// Totals of a ping. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PingSummary {
    /// That of the object.
    pub schema_version: SchemaVersion,
    /// The server's address.
    pub target: String,
    /// From the first frame to the last reply.
    pub seconds: f64,
    /// Connections made.
    pub connections: u32,
    /// Bytes of a frame.
    pub size: u64,
    /// Planned frames per second; `None` in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Frames that were due and not sent.
    pub unsent: u64,
    /// Why connections ended early.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The round-trip times of the frames that came back.
    #[serde(rename = "histogram")]
    pub latencies: Latencies,
}
