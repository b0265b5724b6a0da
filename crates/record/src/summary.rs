//! Totals of a run: of a client with its verdict, or of a watch, which sends nothing and reads nothing.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Map;

use crate::{ConnectionRow, ListenerFigures, SchemaVersion, Verdict};

/// Totals of a flood or an audit, with the verdict. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// That of the object.
    pub schema_version: SchemaVersion,
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
    /// What the check of the replies found; `None` where replies were not checked, as in an audit.
    #[serde(flatten, deserialize_with = "all_or_none")]
    pub integrity: Option<Integrity>,
    /// The longest time for which the server accepted no byte although the client had one to send.
    pub stalled_seconds: f64,
    /// The process that listens at the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_pid: Option<u32>,
    /// The most that the server's memory grew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_memory_growth: Option<u64>,
    /// The most bytes inside the server: read by it and not yet written back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_server: Option<u64>,
    /// The verdict on the server; absent where the client read everything, so that there was nothing to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The reason for the verdict, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every unsafe verdict that holds, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Verdict>,
}

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
    /// Process of a server that was suspended (SIGSTOP, Ctrl-Z) at the end of the watch.
    #[serde(default, rename = "server_stopped", skip_serializing_if = "Option::is_none")]
    pub server_suspended: Option<u32>,
    /// The connections that made others wait, the worst first, each as it was when it was worst; at most [`Self::MAX_TOP`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<ConnectionRow>,
    /// Where the server listens, with the fullest accept queue that was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerFigures>,
}

impl WatchSummary {
    /// The most connections in a summary: as many as are read.
    pub const MAX_TOP: usize = 10;
}

/// Result of the check of each reply: verified bytes, and the number of frames with each kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Integrity {
    /// Bytes of frames that came back intact and in order.
    pub verified: u64,
    /// Frames that did not come back. Counted only where the replies were read to their regular end.
    pub lost: u64,
    /// Frames that came back more than once.
    pub duplicated: u64,
    /// Frames that came back after a later one. The first recordings had no such count.
    #[serde(default)]
    pub reordered: u64,
    /// Frames that came back with wrong contents.
    pub mismatched: u64,
}

impl Integrity {
    /// Whether any frame was lost, duplicated, reordered or corrupted.
    pub fn has_faults(&self) -> bool {
        [self.lost, self.duplicated, self.reordered, self.mismatched] != [0; 4]
    }
}

impl Summary {
    /// An empty summary of a run against `target`, without checked replies.
    pub fn new(target: String) -> Summary {
        Summary { target, ..Summary::default() }
    }

    /// Bytes that came back intact and in order; 0 where replies were not checked.
    pub fn verified(&self) -> u64 {
        self.integrity.map_or(0, |integrity| integrity.verified)
    }
}

/// Reads the counts of an [`Integrity`] from the fields of a summary: all of them, or none.
fn all_or_none<'de, D: Deserializer<'de>>(summary: D) -> Result<Option<Integrity>, D::Error> {
    let fields = Map::deserialize(summary)?;
    let names = ["verified", "lost", "duplicated", "reordered", "mismatched"];
    let has_counts = names.into_iter().any(|name| fields.contains_key(name));
    has_counts.then(|| Integrity::deserialize(fields).map_err(D::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Summary, serde_json::Error> {
        let text = format!(
            r#"{{"schema_version":1,"target":"x","seconds":1,"connections":1,"produced":9,"consumed":9,"stalled_seconds":0{json}}}"#
        );
        serde_json::from_str(&text)
    }

    #[test]
    fn counts_are_read_all_or_none() {
        let integrity = Integrity { verified: 9, lost: 1, duplicated: 2, reordered: 0, mismatched: 3 };

        let counted = read(r#","verified":9,"lost":1,"duplicated":2,"mismatched":3"#).unwrap();

        assert_eq!(counted.integrity, Some(integrity));
        assert_eq!(
            serde_json::from_str::<Summary>(&serde_json::to_string(&counted).unwrap()).unwrap(),
            counted
        );
        assert_eq!(read("").unwrap().integrity, None);
        assert!(!serde_json::to_string(&read("").unwrap()).unwrap().contains("lost"));
        for damaged in [r#","lost":1"#, r#","verified":9,"lost":"x","duplicated":2,"mismatched":3"#] {
            assert!(read(damaged).is_err(), "{damaged}");
        }
    }
}
