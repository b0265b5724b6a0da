//! The result of a rule.

use echoctl_record::Verdict;

/// A verdict, the reason for it, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason, in one sentence with its figures.
    pub reason: String,
    /// What to try when the verdict is `slow` or `inconclusive`.
    pub try_next: Option<String>,
    /// Whether a second attack after the draining would be more conclusive.
    pub wants_second_pass: bool,
}

impl Judgement {
    pub(crate) fn new(verdict: Verdict, reason: String) -> Judgement {
        Judgement { verdict, reason, try_next: None, wants_second_pass: false }
    }

    pub(crate) fn with_advice(
        verdict: Verdict,
        reason: impl Into<String>,
        try_next: impl Into<String>,
    ) -> Judgement {
        Judgement { try_next: Some(try_next.into()), ..Judgement::new(verdict, reason.into()) }
    }
}
