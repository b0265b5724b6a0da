//! How long to measure: everything, for the documentation, or a glance.

use std::time::Duration;

/// How much work the benchmark makes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// How often what hardly varies (memory, instructions) is measured.
    pub(crate) steady_rounds: usize,
    /// How long one load lasts.
    pub(crate) time: Duration,
    /// Whether it is only a glance: fewer sizes and numbers of connections, too.
    pub(crate) is_quick: bool,
}

impl Effort {
    /// For the documentation: a quarter of an hour.
    pub(crate) fn full() -> Effort {
        Effort { rounds: 5, steady_rounds: 1, time: Duration::from_millis(700), is_quick: false }
    }

    /// For a glance: two minutes.
    pub(crate) fn quick() -> Effort {
        Effort { rounds: 1, steady_rounds: 1, time: Duration::from_millis(150), is_quick: true }
    }

    /// All of `values`, or for a glance the first `few`.
    pub(crate) fn some<'a, T>(&self, values: &'a [T], few: usize) -> &'a [T] {
        if self.is_quick { &values[..few] } else { values }
    }
}
