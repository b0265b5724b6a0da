//! The outcome: what both sides came to, and whether it bears the claim out.

use echoctl_record::{Bytes, Queues, Sample, Summary, Verdict};

use super::Plan;

/// What the demo measured.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The work that was done.
    pub plan: Plan,
    /// The side without backpressure.
    pub off: SideOutcome,
    /// The side with it.
    pub on: SideOutcome,
}

/// What one side measured.
#[derive(Debug, Clone)]
pub struct SideOutcome {
    /// How it ended.
    pub summary: Summary,
    /// What was seen on the way, oldest first; never empty.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// Whether both sides showed what they were to show, the one as the other's counterpart.
    pub fn holds(&self) -> bool {
        self.off.is(Verdict::Unbounded) && self.on.is(Verdict::Bounded)
    }

    /// What did not come out as the demo claims, one sentence each. Empty when the claim holds.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, side) in [("OFF", &self.off), ("ON", &self.on)] {
            let summary = &side.summary;
            let integrity = summary.integrity.unwrap_or_default();
            if summary.verified() != self.plan.total {
                problems.push(format!(
                    "{name}: {} of {} came back right ({} frames wrong, {} lost)",
                    Bytes(summary.verified()),
                    Bytes(self.plan.total),
                    integrity.mismatched,
                    integrity.lost
                ));
            }
            if summary.server_memory_growth.is_none() {
                problems.push(format!("{name}: this system does not show the server's memory"));
            }
        }
        for (name, side, expected) in
            [("OFF", &self.off, Verdict::Unbounded), ("ON", &self.on, Verdict::Bounded)]
        {
            if !side.is(expected) {
                let found = side.summary.verdict.map_or("nothing", Verdict::name);
                let reason = side.summary.reason.as_deref().unwrap_or("no reason given");
                problems.push(format!("{name}: expected {expected}, the run says {found}: {reason}"));
            }
        }
        problems
    }
}

impl SideOutcome {
    /// The most that the server's memory grew, as text; where it is not visible, that.
    pub fn growth(&self) -> String {
        self.summary
            .server_memory_growth
            .map_or_else(|| "not visible".to_owned(), |bytes| Bytes(bytes).to_string())
    }

    /// Whether the run says of this side what it was to say.
    pub fn is(&self, expected: Verdict) -> bool {
        self.summary.verdict == Some(expected)
    }

    /// Where all bytes were at the end of the time in which the client did not read.
    pub fn when_stopped(&self, plan: &Plan) -> Sample {
        let before = |sample: &&Sample| sample.t < plan.resumes_at();
        *self.samples.iter().rev().find(before).unwrap_or(&self.samples[0])
    }
}

/// Bytes that wait in the kernel's buffers of both ends, where both ends are visible.
pub fn in_kernel(sample: &Sample) -> Option<Bytes> {
    let queues = Queues::of(sample);
    let parts = [queues.client_send, queues.server_receive, queues.server_send, queues.client_receive];
    parts.into_iter().sum::<Option<u64>>().map(Bytes)
}
