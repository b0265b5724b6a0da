//! The result of an audit as one JSON object (`schema/audit.json`).

use std::net::SocketAddr;

use echoctl_audit::{AuditConfig, AuditOutcome, BystanderStats};
use echoctl_record::{SchemaVersion, Verdict};
use echoctl_verdict::audit::{Figures, figures};
use serde::Serialize;

use super::stimulus::Chosen;
use crate::commands::advice;

/// The result. Sizes are in bytes, times in seconds; absent means not visible here or not counted.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    pub(super) schema_version: SchemaVersion,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) try_next: Option<String>,
    /// The command that started the server, or its address.
    pub(super) target: String,
    pub(super) addr: SocketAddr,
    pub(super) preset: String,
    pub(super) connections: u32,
    /// Bytes of input that prove that a server is unbounded, if it buffers them.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) damaged_at: Option<u64>,
    #[serde(flatten)]
    bystander: Option<Bystander>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    pub(super) pids: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) upstreams: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) projection: Option<Projection>,
    /// What was sent, for a headline: `preset echo`.
    #[serde(skip)]
    pub(super) label: String,
    /// What was to be done.
    #[serde(skip)]
    pub(super) config: &'a AuditConfig,
    /// What happened.
    #[serde(skip)]
    pub(super) attack: &'a AuditOutcome,
}

/// The memory of the attacked connections, extrapolated to many.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Projection {
    /// Number of connections.
    pub(super) connections: u64,
    /// Memory of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_memory: Option<u64>,
    /// Memory of the kernel, of both ends of the connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel_memory: Option<u64>,
}

/// How a healthy client was served.
#[derive(Debug, Clone, Copy, Serialize)]
struct Bystander {
    /// `served` or `starved`.
    bystander: &'static str,
    bystander_p99: f64,
    bystander_max: f64,
}

impl From<BystanderStats> for Bystander {
    fn from(stats: BystanderStats) -> Bystander {
        Bystander {
            bystander: if stats.is_starved() { "starved" } else { "served" },
            bystander_p99: stats.p99,
            bystander_max: stats.longest,
        }
    }
}

impl<'a> Summary<'a> {
    pub(super) fn new(
        attack: &'a AuditOutcome,
        config: &'a AuditConfig,
        target: String,
        stimulus: Chosen,
        project: Option<u64>,
    ) -> Summary<'a> {
        let figures = figures(&attack.evidence);
        let each = |total: Option<u64>, many: u64| {
            let all = u128::from(total?) * u128::from(many) / u128::from(config.connections.max(1));
            Some(u64::try_from(all).unwrap_or(u64::MAX))
        };
        Summary {
            schema_version: SchemaVersion,
            verdict: attack.judgement.verdict,
            reason: attack.judgement.reason.clone(),
            try_next: attack.judgement.advice.map(advice::text),
            target,
            addr: config.addr,
            preset: stimulus.name,
            label: stimulus.label,
            connections: config.connections,
            bytes: config.budget,
            seconds: attack.seconds,
            figures,
            damaged_at: attack.evidence.drain.as_ref().and_then(|drain| drain.damaged_at),
            bystander: attack.bystander.map(Bystander::from),
            server: attack.server.clone(),
            pids: attack.pids.clone(),
            upstreams: attack.upstreams.clone(),
            config,
            attack,
            projection: project.map(|many| Projection {
                connections: many,
                server_memory: each(figures.memory_growth, many),
                kernel_memory: each(figures.kernel_memory, many),
            }),
        }
    }
}
