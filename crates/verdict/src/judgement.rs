//! The result of a rule.

use echoctl_record::Verdict;

use crate::Advice;

/// A verdict, why it was reached, and what to try next. `C` is the cause that its rule distinguishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement<C> {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, as a value.
    pub cause: C,
    /// Why, in one sentence with its figures: for people, no decision reads it.
    pub reason: String,
    /// What to try next, where the verdict is not certain.
    pub advice: Option<Advice>,
}
