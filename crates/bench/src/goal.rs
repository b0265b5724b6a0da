//! A goal: a figure to reach, and the measured one.

/// A figure that the project wants to reach.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    /// What is measured.
    pub(crate) what: String,
    /// The figure to reach.
    pub(crate) aim: String,
    /// What was measured.
    pub(crate) measured: String,
    /// Whether it is reached.
    pub(crate) is_met: bool,
}

impl Goal {
    /// `measured` should be at least `least`. `None` if it could not be measured.
    pub(crate) fn at_least(what: &str, measured: Option<f64>, least: f64, print: Print) -> Option<Goal> {
        let (measured, aim) = (measured?, format!("at least {}", print(least)));
        Some(Goal { what: what.to_owned(), aim, measured: print(measured), is_met: measured >= least })
    }

    /// `measured` should be at most `most`.
    pub(crate) fn at_most(what: &str, measured: Option<f64>, most: f64, print: Print) -> Option<Goal> {
        let (measured, aim) = (measured?, format!("at most {}", print(most)));
        Some(Goal { what: what.to_owned(), aim, measured: print(measured), is_met: measured <= most })
    }
}

/// How a figure is printed.
type Print = fn(f64) -> String;

/// As a multiple.
pub(crate) fn times(value: f64) -> String {
    format!("{value:.2} ×")
}

/// As a percentage of a whole.
pub(crate) fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// As KiB.
pub(crate) fn kib(value: f64) -> String {
    format!("{value:.2} KiB")
}
