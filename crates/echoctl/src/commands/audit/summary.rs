//! The result of an audit as one JSON object (`schema/audit.json`).

use echoctl_audit::{AuditConfig, AuditOutcome, Protocol};
use echoctl_record::{Bystanders, Census, Class, Control, GrownProcess, SchemaVersion, StopReason, Verdict};
use echoctl_verdict::audit::{Figures, figures};
use serde::{Serialize, Serializer};

use super::Attacked;
use super::answer::Answer;
use super::carrier::Carrier;
use super::chosen::Chosen;
use super::projection::Projection;
use super::suggestion::Suggestion;

/// The result. Sizes are in bytes, times in seconds; absent means not visible here or not counted.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    pub(super) schema_version: SchemaVersion,
    pub(super) verdict: Verdict,
    /// Every unsafe verdict that holds, the worst first.
    pub(super) findings: Vec<Verdict>,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_line")]
    pub(super) try_next: Option<Suggestion>,
    /// The beginning of an answer that shows why the server cannot be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_line: Option<String>,
    /// The protocol that the server seems to speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<&'static str>,
    /// The command that started the server, or its address.
    pub(super) target: String,
    pub(super) addr: String,
    pub(super) preset: String,
    #[serde(flatten)]
    pub(super) carrier: Carrier<'a>,
    pub(super) connections: u32,
    /// Bytes of input that prove that a server is unbounded, if it buffers them.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) damaged_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    census: Option<Census>,
    #[serde(flatten)]
    bystander: Option<Bystander>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bystanders: Option<Bystanders>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<&'a Control>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grown_process: Option<&'a GrownProcess>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_file_growth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_memory_growth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_memory: Option<&'a str>,
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

/// How other clients were served, in one word and two figures; `bystanders` has each of them.
#[derive(Debug, Clone, Copy, Serialize)]
struct Bystander {
    /// `served` or `starved`.
    bystander: &'static str,
    /// Of the waits of the one that asks repeatedly.
    #[serde(skip_serializing_if = "Option::is_none")]
    bystander_p99: Option<f64>,
    /// Of all waits.
    bystander_max: f64,
}

impl Bystander {
    /// Absent where none asked during the attack or after it.
    fn of(bystanders: &Bystanders, findings: &[Verdict]) -> Option<Bystander> {
        let longest = bystanders.all().map(|service| service.longest).reduce(f64::max)?;
        let is_starved = findings.contains(&Verdict::Starves);
        Some(Bystander {
            bystander: if is_starved { "starved" } else { "served" },
            bystander_p99: bystanders.active.and_then(|active| active.p99),
            bystander_max: longest,
        })
    }
}

impl<'a> Summary<'a> {
    /// Whether the server was sent something that its protocol does not have, so that there is nothing to show.
    pub(super) fn is_untested(&self) -> bool {
        self.try_next.as_ref().is_some_and(|next| next.is_other_protocol)
    }

    /// The findings beside the verdict.
    pub(super) fn others(&self) -> impl Iterator<Item = Verdict> {
        self.findings.iter().copied().filter(|finding| *finding != self.verdict)
    }

    pub(super) fn new(attacked: &'a Attacked, stimulus: Chosen, project: Option<u64>) -> Summary<'a> {
        let Attacked { config, outcome: attack, target, .. } = attacked;
        let (evidence, judgement) = (&attack.evidence, &attack.judgement);
        let mut figures = figures(evidence);
        if !is_echo(attack) {
            figures.inside_server = None;
        }
        let damaged_at = evidence.drain.as_ref().and_then(|drain| drain.damaged_at);
        // How many bytes of another stream are missing was not counted.
        figures.lost = figures.lost.filter(|_| damaged_at.is_none());
        let carrier = Carrier::new(config, attack);
        if !carrier.is_plain() {
            // What TLS and HTTP/2 add in each direction differs.
            let is_complete =
                evidence.drain.as_ref().is_some_and(|drain| drain.stopped == StopReason::Complete);
            figures.lost = figures.lost.filter(|_| is_complete).map(|_| 0);
            figures.inside_server = None;
        }
        let answer = Answer::to_an_attack(attack).filter(|_| judgement.verdict.class() == Class::Unknown);
        Summary {
            schema_version: SchemaVersion,
            verdict: judgement.verdict,
            findings: judgement.findings.clone(),
            reason: judgement.reason.clone(),
            try_next: judgement.advice.map(|advice| Suggestion::new(advice, answer.as_ref(), &stimulus)),
            protocol: answer.as_ref().and_then(|answer| answer.protocol).map(Protocol::name),
            first_line: answer.map(|answer| answer.line),
            target: target.clone(),
            addr: config.addr.to_string(),
            preset: stimulus.name(),
            label: stimulus.label(),
            carrier,
            connections: config.connections,
            bytes: config.budget,
            seconds: attack.seconds,
            figures,
            damaged_at,
            census: evidence.census,
            bystander: (evidence.bystanders.as_ref()).and_then(|all| Bystander::of(all, &judgement.findings)),
            bystanders: evidence.bystanders,
            control: evidence.control.as_ref(),
            grown_process: evidence.grown_process.as_ref(),
            open_file_growth: evidence.open_file_growth,
            shared_memory_growth: evidence.shared_memory_growth,
            out_of_memory: evidence.out_of_memory.as_deref(),
            server: attack.server.clone(),
            pids: attack.pids.clone(),
            upstreams: attack.upstreams.clone(),
            config,
            attack,
            projection: Projection::new(judgement.verdict, project, &figures, config.connections),
        }
    }
}

/// Writes a suggestion as one line.
fn as_line<S: Serializer>(next: &Option<Suggestion>, serializer: S) -> Result<S::Ok, S::Error> {
    next.as_ref().map(Suggestion::line).serialize(serializer)
}

/// Whether what came back may be an echo: replies that differ from the input from the first byte on are something else, unless it
/// was shown that the server echoes.
pub(super) fn is_echo(attack: &AuditOutcome) -> bool {
    let damaged_at = attack.evidence.drain.as_ref().and_then(|drain| drain.damaged_at);
    damaged_at != Some(0) || attack.judgement.findings.contains(&Verdict::Corrupts)
}
