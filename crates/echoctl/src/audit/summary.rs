//! The summary: what an audit says, as one JSON object (`schema/audit.json`).

use std::net::SocketAddr;

use echoctl_audit::{AuditConfig, AuditOutcome};
use echoctl_record::{Figures, SCHEMA_VERSION, Verdict};
use serde::Serialize;

/// What an audit says. Sizes in bytes, times in seconds; absent: not visible here.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    pub(super) schema_version: u32,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) try_next: Option<String>,
    /// The command, or the address.
    pub(super) target: String,
    pub(super) addr: SocketAddr,
    pub(super) shape: String,
    pub(super) connections: u32,
    /// The budget that an "unbounded" is meant by.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) damaged_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bystander: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bystander_p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bystander_longest: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    pub(super) pids: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) upstreams: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) projection: Option<Projection>,
    /// What the script does, in its own words.
    #[serde(skip)]
    pub(super) about: Option<String>,
    /// Whether the server was started for this attack.
    #[serde(skip)]
    pub(super) is_fresh: bool,
}

/// What the bound of one connection comes to for many.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Projection {
    /// Connections.
    pub(super) connections: u64,
    /// Memory of the server.
    pub(super) server_memory: u64,
    /// Memory of the kernel.
    pub(super) kernel_memory: u64,
}

impl Summary {
    pub(super) fn new(
        attack: &AuditOutcome,
        target: &str,
        addr: SocketAddr,
        shape: &str,
        config: &AuditConfig,
        project: Option<u64>,
    ) -> Summary {
        let figures = attack.evidence.figures();
        let each = |total: Option<u64>, many: u64| {
            let all =
                u128::from(total.unwrap_or(0)) * u128::from(many) / u128::from(config.connections.max(1));
            u64::try_from(all).unwrap_or(u64::MAX)
        };
        Summary {
            schema_version: SCHEMA_VERSION,
            verdict: attack.judgement.verdict,
            reason: attack.judgement.reason.clone(),
            try_next: attack.judgement.try_next.clone(),
            target: target.to_owned(),
            addr,
            shape: shape.to_owned(),
            connections: config.connections,
            bytes: config.budget,
            seconds: attack.seconds,
            figures,
            damaged_at: attack.evidence.drain.as_ref().and_then(|drain| drain.damaged_at),
            bystander: attack
                .bystander
                .as_ref()
                .map(|stats| if stats.is_starved { "starved" } else { "served" }),
            bystander_p99: attack.bystander.as_ref().map(|stats| stats.p99),
            bystander_longest: attack.bystander.as_ref().map(|stats| stats.longest),
            server: attack.server.clone(),
            pids: attack.pids.clone(),
            upstreams: attack.upstreams.clone(),
            about: config.script.about.clone(),
            is_fresh: config.is_fresh,
            projection: project.map(|many| Projection {
                connections: many,
                server_memory: each(figures.memory_growth, many),
                kernel_memory: each(figures.kernel_memory, many),
            }),
        }
    }
}
