//! JSON events of `serve`.
//!
//! Sizes are in bytes, times in seconds. A field that is not set, or not visible on this system, is absent.

use std::net::SocketAddr;
use std::time::Duration;

use echoctl_record::SCHEMA_VERSION;
use echoctl_server::{CloseReason, Config, Listening, Policy, Stats, Totals};
use serde::Serialize;
use serde_json::Value;

use super::switch::Change;
use crate::output::present;

#[derive(Serialize)]
pub(in crate::commands) struct ListeningEvent {
    addr: SocketAddr,
    pid: u32,
    backpressure: &'static str,
    framing: &'static str,
    io: &'static str,
    max_frame: usize,
    memory_limit: u64,
    max_connections: usize,
    #[serde(flatten, serialize_with = "present")]
    settings: [(&'static str, Option<Value>); 8],
}

impl ListeningEvent {
    pub(in crate::commands) fn of(listening: &Listening, config: &Config) -> ListeningEvent {
        ListeningEvent {
            addr: listening.addr,
            pid: std::process::id(),
            backpressure: config.policy.name(),
            framing: config.framing.name(),
            io: config.io.name(),
            max_frame: config.longest_payload(),
            memory_limit: config.memory_limit,
            max_connections: config.max_connections,
            settings: [
                ("queue_limit", config.policy.limit().map(Value::from)),
                ("resume_at", resume_at(config.policy)),
                ("idle_timeout", config.idle_timeout.map(seconds)),
                ("write_timeout", config.write_timeout.map(seconds)),
                ("min_rate", config.min_rate.map(|rate| rate.bytes_per_second.into())),
                ("min_rate_period", config.min_rate.map(|rate| seconds(rate.period))),
                ("send_buffer", listening.send_buffer.map(Value::from)),
                ("receive_buffer", listening.receive_buffer.map(Value::from)),
            ],
        }
    }
}

#[derive(Serialize)]
pub(super) struct PolicyEvent {
    t: f64,
    backpressure: &'static str,
    was: &'static str,
    #[serde(flatten, serialize_with = "present")]
    settings: [(&'static str, Option<Value>); 3],
}

impl PolicyEvent {
    pub(super) fn of(change: Change, stats: &Stats) -> PolicyEvent {
        let grace = match change.to {
            Policy::Disconnect { grace, .. } => Some(seconds(grace)),
            _ => None,
        };
        PolicyEvent {
            t: stats.uptime.as_secs_f64(),
            backpressure: change.to.name(),
            was: change.from.name(),
            settings: [
                ("queue_limit", change.to.limit().map(Value::from)),
                ("resume_at", resume_at(change.to)),
                ("grace", grace),
            ],
        }
    }
}

#[derive(Serialize)]
pub(super) struct StatsEvent {
    t: f64,
    connections: usize,
    accepted: u64,
    #[serde(flatten, with = "TotalsFields")]
    totals: Totals,
    queued: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_memory: Option<u64>,
}

impl StatsEvent {
    pub(super) fn of(stats: &Stats) -> StatsEvent {
        StatsEvent {
            t: stats.uptime.as_secs_f64(),
            connections: stats.connections,
            accepted: stats.accepted,
            totals: stats.totals,
            queued: stats.buffered,
            memory: echoctl_observe::own_anonymous_memory(),
            kernel_memory: stats.own_kernel_memory,
        }
    }
}

#[derive(Serialize)]
pub(in crate::commands) struct ClosedEvent {
    peer: SocketAddr,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(flatten, with = "TotalsFields")]
    totals: Totals,
}

impl ClosedEvent {
    pub(in crate::commands) fn of(peer: SocketAddr, reason: &CloseReason, totals: Totals) -> ClosedEvent {
        let detail = (!reason.is_normal()).then(|| reason.to_string());
        ClosedEvent { peer, reason: reason.name(), detail, totals }
    }
}

#[derive(Serialize)]
pub(super) struct SummaryEvent {
    schema_version: u32,
    seconds: f64,
    accepted: u64,
    #[serde(flatten, with = "TotalsFields")]
    totals: Totals,
}

impl SummaryEvent {
    pub(super) fn of(stats: &Stats) -> SummaryEvent {
        SummaryEvent {
            schema_version: SCHEMA_VERSION,
            seconds: stats.uptime.as_secs_f64(),
            accepted: stats.accepted,
            totals: stats.totals,
        }
    }
}

/// The low watermark of a policy, if it has one.
fn resume_at(policy: Policy) -> Option<Value> {
    match policy {
        Policy::Watermark { resume_at, .. } => Some(resume_at.into()),
        _ => None,
    }
}

fn seconds(time: Duration) -> Value {
    time.as_secs_f64().into()
}

/// The fields of [`Totals`].
#[derive(Serialize)]
#[serde(remote = "Totals")]
struct TotalsFields {
    received: u64,
    sent: u64,
    dropped_frames: u64,
}
