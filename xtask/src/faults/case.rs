//! One property of `echoctl`, and how to test it.

use std::path::Path;

use anyhow::Result;

use super::kit::{Skip, World, tree};

/// A case of one kind.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Whether it is quick, and represents its kind in the short run.
    pub(crate) in_short: bool,
    try_it: fn(&World) -> Result<()>,
}

/// A case of the full run.
pub(crate) const fn case(name: &'static str, try_it: fn(&World) -> Result<()>) -> Case {
    Case { name, in_short: false, try_it }
}

/// A case of both runs.
pub(crate) const fn quick(name: &'static str, try_it: fn(&World) -> Result<()>) -> Case {
    Case { name, in_short: true, try_it }
}

/// The result of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    /// What was observed, and what was expected.
    Failed(String),
    /// Why it could not run.
    Skipped(String),
}

impl Case {
    /// Runs it with the program `bin`, in an empty directory; all processes that it started are killed afterwards.
    pub(crate) fn run(&self, bin: &Path, folder: &Path) -> Verdict {
        let result = (self.try_it)(&World::new(bin, folder));
        tree::end_all();
        match result {
            Ok(()) => Verdict::Passed,
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(reason) => Verdict::Skipped(reason.to_string()),
                // The text may quote what a hostile program printed.
                None => Verdict::Failed(escaped(&format!("{error:#}"))),
            },
        }
    }
}

/// The text with its control characters escaped, except line ends.
fn escaped(text: &str) -> String {
    let harmless = |c: char| c == '\n' || !c.is_control();
    text.chars().map(|c| if harmless(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}
