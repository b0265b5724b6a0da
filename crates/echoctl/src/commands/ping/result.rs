//! The result of a ping, as a table and as a JSON object.

use std::fmt;

use echoctl_client::{PingConfig, PingOutcome};
use echoctl_record::{Latencies, Latency, PingSummary, SCHEMA_VERSION, count};
use serde::Serialize;

use crate::output::present;

/// The JSON summary. Times are in seconds, and absent if no frame came back.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    schema_version: u32,
    target: String,
    framing: &'static str,
    size: usize,
    connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    seconds: f64,
    count: u64,
    unsent: u64,
    #[serde(flatten, serialize_with = "present")]
    times: [(&'static str, Option<f64>); 7],
    /// How late this client sent frames at a fixed rate although a connection was free; included in the times.
    #[serde(flatten, serialize_with = "present")]
    late: [(&'static str, Option<f64>); 2],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
}

impl Summary {
    pub(super) fn new(config: &PingConfig, outcome: &PingOutcome) -> Summary {
        let [times, late]: [Latencies; 2] =
            [&outcome.latencies, &outcome.lateness].map(|counted| counted.counts().collect());
        Summary {
            schema_version: SCHEMA_VERSION,
            target: config.addr.to_string(),
            framing: config.framing.name(),
            size: config.size,
            connections: config.connections,
            rate: config.rate,
            seconds: outcome.elapsed.as_secs_f64(),
            count: times.count(),
            unsent: outcome.unsent,
            times: [
                ("min", times.quantile(0.0)),
                ("mean", times.mean()),
                ("p50", times.quantile(0.5)),
                ("p90", times.quantile(0.9)),
                ("p99", times.quantile(0.99)),
                ("p999", times.quantile(0.999)),
                ("max", times.quantile(1.0)),
            ],
            late: [("late_p50", late.quantile(0.5)), ("late_p99", late.quantile(0.99))],
            faults: outcome.faults.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether nearly all planned frames were sent, so that the times are representative.
    pub(super) fn has_kept_up(&self) -> bool {
        // At the end, the last frames may be due while their connections are still busy.
        self.unsent <= (self.count / UNSENT_PER_SENT).max(self.connections as u64)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} frames of {} bytes ({}) in {},\n{}, {}",
            self.target,
            self.count,
            self.size,
            self.framing,
            if self.seconds < SHORT_RUN {
                Latency(self.seconds).to_string()
            } else {
                format!("{:.2} s", self.seconds)
            },
            count(self.connections as u64, "connection"),
            self.rate.map_or("closed loop".to_owned(), |rate| format!("{rate} per second planned")),
        )?;
        for (name, value) in self.times {
            if let Some(seconds) = value {
                write!(f, "\n  {:8}{:>12}", name.replace("p999", "p99.9"), Latency(seconds))?;
            }
        }
        let mut notes = Vec::new();
        if self.count > 0 && self.seconds >= SHORT_RUN {
            notes.push(format!("{:.0} frames per second", self.count as f64 / self.seconds));
        }
        if let [(_, Some(p50)), (_, Some(p99))] = self.late {
            let (p50, p99) = (Latency(p50), Latency(p99));
            notes.push(format!(
                "this client sent late by p50 {p50}, p99 {p99},\nwhich the times above include"
            ));
        }
        if self.unsent > 0 {
            notes.push(format!("{} more were due but not sent in time", self.unsent));
        }
        if !notes.is_empty() {
            write!(f, "\n\n{}", notes.join("\n"))?;
        }
        if !self.has_kept_up() {
            write!(
                f,
                "\nThe server did not keep up: the times cover only the frames sent;\nthe others would have waited longer."
            )?;
        }
        Ok(())
    }
}

/// The totals and times of a ping, for its recording.
pub(super) fn recorded(config: &PingConfig, outcome: &PingOutcome) -> PingSummary {
    PingSummary {
        target: config.addr.to_string(),
        seconds: outcome.elapsed.as_secs_f64(),
        connections: u32::try_from(config.connections).unwrap_or(u32::MAX),
        size: config.size as u64,
        rate: config.rate,
        unsent: outcome.unsent,
        faults: outcome.faults.iter().map(ToString::to_string).collect(),
        latencies: outcome.latencies.counts().collect(),
        ..PingSummary::default()
    }
}

/// A run of fewer seconds has no rate: its time is mostly that of starting and stopping.
const SHORT_RUN: f64 = 0.1;

/// Unsent frames up to one per this many sent frames are normal at the end of the time.
const UNSENT_PER_SENT: u64 = 100;
