//! The result of a rule.

use echoctl_record::{Class, Verdict};

use crate::Advice;

/// A verdict, why it was reached, and what to try next. `C` is the cause that its rule distinguishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement<C> {
    /// The verdict.
    pub verdict: Verdict,
    /// Every unsafe verdict that holds, the worst first; none for a verdict that is safe or not certain.
    pub findings: Vec<Verdict>,
    /// Why, as a value.
    pub cause: C,
    /// Why, in one sentence with its figures: for people, no decision reads it.
    pub reason: String,
    /// What to try next, where the verdict is not certain.
    pub advice: Option<Advice>,
}

/// The findings of a rule whose verdict is the only one that can hold.
pub(crate) fn only(verdict: Verdict) -> Vec<Verdict> {
    if verdict.class() == Class::Unsafe { vec![verdict] } else { Vec::new() }
}
