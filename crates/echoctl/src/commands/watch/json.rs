//! The events of `watch --json`.

use std::collections::BTreeMap;

use echoctl_record::{ConnectionCause, ConnectionRow, ListenerFigures, Sample};
use serde::Serialize;

/// First event: what is watched.
#[derive(Serialize)]
pub(super) struct WatchingEvent {
    pub(super) addr: Vec<String>,
    /// Whether the connections are watched that the processes have opened, and not those to them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) outbound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
    /// All processes, with their names, or why they are not visible.
    pub(super) processes: String,
    /// How the server's sockets are visible.
    pub(super) door: &'static str,
}

/// One sample, with the worst connections.
#[derive(Serialize)]
pub(super) struct SampleEvent<'a> {
    #[serde(flatten)]
    pub(super) sample: &'a Sample,
    /// Seconds since 1970.
    pub(super) unix_time: f64,
    /// Processes of the server that are suspended.
    #[serde(rename = "stopped", skip_serializing_if = "<[u32]>::is_empty")]
    pub(super) suspended: &'a [u32],
    /// Number of connections with each cause.
    pub(super) causes: &'a BTreeMap<ConnectionCause, u32>,
    pub(super) top: &'a [ConnectionRow],
    pub(super) listeners: &'a [ListenerFigures],
}
