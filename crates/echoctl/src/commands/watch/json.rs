//! The events of `watch --json`.

use echoctl_record::{ConnectionRow, ListenerFigures, Sample};
use serde::Serialize;

/// First event: what is watched.
#[derive(Serialize)]
pub(super) struct WatchingEvent {
    pub(super) addr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
    /// All processes, with their names, or why they are not visible.
    pub(super) processes: String,
    /// How the server's sockets are visible.
    pub(super) door: &'static str,
}

/// One sample, with the connections that buffer most.
#[derive(Serialize)]
pub(super) struct SampleEvent<'a> {
    #[serde(flatten)]
    pub(super) sample: &'a Sample,
    pub(super) top: &'a [ConnectionRow],
    pub(super) listeners: &'a [ListenerFigures],
}
