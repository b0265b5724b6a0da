//! What is printed at the end of a class: the client that read nothing for longest, and the memory under each policy.

use echoctl_record::{Bytes, ClassState, SCHEMA_VERSION, Seconds, Stalled, count};
use echoctl_server::Stats;
use serde::Serialize;

use super::sentence::called;

/// What is remembered of a class.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct ClassSummary {
    schema_version: u32,
    /// Duration, in seconds.
    seconds: f64,
    /// Connections accepted.
    accepted: u64,
    /// The most that were open at a time.
    max_connections: usize,
    /// Bytes read from the clients, and written to them.
    received: u64,
    sent: u64,
    dropped_frames: u64,
    /// The most kernel memory of all ends on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_kernel_memory: Option<u64>,
    /// The client that did not read for longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    longest_stall: Option<Stall>,
    /// The most memory of the server under each policy, in the order in which they were chosen.
    policies: Vec<PolicyMemory>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Stall {
    client: String,
    seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PolicyMemory {
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_memory: Option<u64>,
}

impl ClassSummary {
    /// Adds a moment.
    pub(super) fn add(&mut self, state: &ClassState) {
        self.seconds = state.point.t;
        self.max_connections = self.max_connections.max(state.connections);
        self.max_kernel_memory = self.max_kernel_memory.max(state.point.kernel_memory);
        for row in state.rows.iter().filter(|row| row.cause.stalled_by() == Some(Stalled::Client)) {
            let seconds = row.cause_seconds.unwrap_or(0.0);
            if self.longest_stall.as_ref().is_none_or(|longest| longest.seconds < seconds) {
                self.longest_stall = Some(Stall { client: called(row), seconds });
            }
        }
        match self.policies.iter_mut().find(|known| known.policy == state.policy) {
            Some(known) => known.max_memory = known.max_memory.max(state.point.memory),
            None => {
                let (policy, max_memory) = (state.policy.clone(), state.point.memory);
                self.policies.push(PolicyMemory { policy, max_memory });
            }
        }
    }

    /// Adds the totals of the server, once it has ended.
    pub(super) fn finish(&mut self, totals: &Stats) {
        self.schema_version = SCHEMA_VERSION;
        self.accepted = totals.accepted;
        (self.received, self.sent) = (totals.totals.received, totals.totals.sent);
        self.dropped_frames = totals.totals.dropped_frames;
    }

    /// The sentences for the terminal.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut totals = format!(
            "{} in {}, at most {} at once: {} read, {} written",
            count(self.accepted, "connection"),
            Seconds(self.seconds),
            self.max_connections,
            Bytes(self.received),
            Bytes(self.sent)
        );
        if self.dropped_frames > 0 {
            totals += &format!(", {} dropped", count(self.dropped_frames, "frame"));
        }
        let stall = self.longest_stall.as_ref();
        let stall = stall.map(|Stall { client, seconds }| {
            format!("Longest without reading: {client}, {}.", Seconds(*seconds))
        });
        let memory: Vec<String> = self
            .policies
            .iter()
            .filter_map(|known| Some(format!("{} {}", known.policy, Bytes(known.max_memory?))))
            .collect();
        let memory =
            (!memory.is_empty()).then(|| format!("Most memory of the server: {}.", memory.join(", ")));
        [Some(totals + "."), stall, memory].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use echoctl_record::{ClassPoint, ClassRow, ConnectionCause};
    use echoctl_server::Totals;

    use super::*;

    #[test]
    fn the_longest_stall_and_the_most_memory_are_told() {
        let mut summary = ClassSummary::default();
        for (t, policy, memory, seconds) in
            [(1.0, "off", 9 << 20, 0.4), (2.0, "off", 380 << 20, 42.0), (3.0, "await", 12 << 20, 7.0)]
        {
            let row = ClassRow {
                peer: "10.0.0.7:9".to_owned(),
                name: Some("ada".to_owned()),
                cause: ConnectionCause::ClientDoesNotRead,
                cause_seconds: Some(seconds),
                ..ClassRow::default()
            };
            let policy = policy.to_owned();
            summary.add(&ClassState {
                point: ClassPoint { t, memory: Some(memory), ..ClassPoint::default() },
                policy,
                connections: 30,
                rows: vec![row],
                ..ClassState::default()
            });
        }
        let totals = Totals { received: 1 << 30, sent: 40 << 20, dropped_frames: 0 };
        summary.finish(&Stats { uptime: Duration::from_secs(3), accepted: 31, totals, ..Stats::default() });

        assert_eq!(
            summary.sentences(),
            [
                "31 connections in 3.0 s, at most 30 at once: 1 GiB read, 40 MiB written.",
                "Longest without reading: ada, 42.0 s.",
                "Most memory of the server: off 380 MiB, await 12 MiB.",
            ]
        );
    }
}
