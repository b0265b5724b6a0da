//! How much to measure: everything, for the documentation, or a quick overview.

use std::time::Duration;

/// How much work the benchmark does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Number of rounds.
    pub(crate) rounds: usize,
    /// Number of rounds for what varies little (memory, instructions).
    pub(crate) steady_rounds: usize,
    /// Duration of one load.
    pub(crate) time: Duration,
    /// Whether it is only an overview: fewer sizes and numbers of connections, too.
    pub(crate) is_quick: bool,
}

impl Effort {
    /// For the documentation: half an hour.
    pub(crate) fn full() -> Effort {
        Effort { rounds: 5, steady_rounds: 1, time: Duration::from_millis(700), is_quick: false }
    }

    /// For an overview: 2 minutes.
    pub(crate) fn quick() -> Effort {
        Effort { rounds: 1, steady_rounds: 1, time: Duration::from_millis(150), is_quick: true }
    }

    /// All of `values`, or for an overview the first `few`.
    pub(crate) fn some<'a, T>(&self, values: &'a [T], few: usize) -> &'a [T] {
        if self.is_quick { &values[..few] } else { values }
    }
}
