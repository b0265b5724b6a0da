//! The measurements of both sides, and whether they support the claim.

use std::ops::RangeInclusive;

use echoctl_record::{Bytes, Queues, Sample, SocketLimits, Summary, Verdict};
use echoctl_report::shown;

use super::Plan;

/// What the demo measured.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The work that was done.
    pub plan: Plan,
    /// The largest that this machine's socket queues can be.
    pub limits: SocketLimits,
    /// The side without backpressure.
    pub off: SideOutcome,
    /// The side with backpressure.
    pub on: SideOutcome,
}

/// What was measured of one side.
#[derive(Debug, Clone)]
pub struct SideOutcome {
    /// Totals and verdict.
    pub summary: Summary,
    /// Samples, oldest first; never empty.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// Whether the run supports the claim: unbounded without backpressure, bounded with it.
    pub fn holds(&self) -> bool {
        self.off.is(Verdict::Unbounded) && self.on.is(Verdict::Bounded)
    }

    /// What does not support the claim, one sentence each. Empty when the claim holds.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, side) in [("OFF", &self.off), ("ON", &self.on)] {
            let summary = &side.summary;
            let integrity = summary.integrity.unwrap_or_default();
            if summary.verified() != self.plan.total {
                problems.push(format!(
                    "{name}: {} of {} came back identical ({} frames corrupt, {} lost)",
                    Bytes(summary.verified()),
                    Bytes(self.plan.total),
                    integrity.mismatched,
                    integrity.lost
                ));
            }
            if summary.server_memory_growth.is_none() {
                problems.push(format!("{name}: the server's memory is not visible here"));
            }
        }
        for (name, side, expected) in
            [("OFF", &self.off, Verdict::Unbounded), ("ON", &self.on, Verdict::Bounded)]
        {
            if !side.is(expected) {
                let found = side.summary.verdict.map_or("no verdict", Verdict::name);
                let reason = side.summary.reason.as_deref().unwrap_or("no reason given");
                problems.push(format!("{name}: expected {expected}, measured {found} ({reason})"));
            }
        }
        problems
    }
}

impl SideOutcome {
    /// Maximum growth of the server's memory, as text.
    pub fn growth(&self) -> String {
        shown(self.summary.server_memory_growth.map(Bytes))
    }

    /// Whether this side has the expected verdict.
    pub fn is(&self, expected: Verdict) -> bool {
        self.summary.verdict == Some(expected)
    }

    /// The last sample of the stall. Every sentence about the stall takes its figures from it, so that they agree.
    pub fn when_stopped(&self, plan: &Plan) -> Sample {
        let before = |sample: &&Sample| sample.t < plan.resumes_at();
        *self.samples.iter().rev().find(before).unwrap_or(&self.samples[0])
    }

    /// The time in which the client did not read, in seconds. It ends with [`when_stopped`](Self::when_stopped): in the
    /// catch-up after it, counters read at different instants are megabytes apart.
    pub(super) fn stall(&self, plan: &Plan) -> RangeInclusive<f64> {
        plan.read.as_secs_f64()..=self.when_stopped(plan).t
    }
}

/// Bytes in the kernel queues of both ends, if both ends are visible. No queue counts more than its limit.
pub fn in_kernel(sample: &Sample, limits: &SocketLimits) -> Option<Bytes> {
    Queues::within(sample, limits).in_kernels().map(Bytes)
}
