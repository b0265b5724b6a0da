//! How a run ended: what a recording has beside its samples, depending on the command that made it.

use serde::Serialize;

use crate::{Evidence, PingSummary, RunError, Summary, WatchSummary};

/// What was known at the end of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Ending {
    /// Of a client.
    Flood {
        /// Totals and verdict.
        summary: Summary,
    },
    /// Of a client that measured round-trip times.
    Ping {
        /// Totals and times.
        ping: PingSummary,
    },
    /// Of a run that watched a live server instead of being its client.
    Watch {
        /// Totals.
        watch: WatchSummary,
    },
    /// Of an attack.
    Audit {
        /// Totals and verdict; replies were not checked.
        summary: Summary,
        /// What the verdict is derived from.
        evidence: Box<Evidence>,
    },
}

impl Ending {
    /// The ending that has these parts, which are separate in a file.
    ///
    /// # Errors
    /// If no command writes them together.
    pub(crate) fn of_parts(
        summary: Option<Summary>,
        ping: Option<PingSummary>,
        watch: Option<WatchSummary>,
        evidence: Option<Evidence>,
    ) -> Result<Option<Ending>, RunError> {
        match (summary, ping, watch, evidence) {
            (None, None, None, None) => Ok(None),
            (Some(summary), None, None, None) => Ok(Some(Ending::Flood { summary })),
            (None, Some(ping), None, None) => Ok(Some(Ending::Ping { ping })),
            (None, None, Some(watch), None) => Ok(Some(Ending::Watch { watch })),
            (Some(summary), None, None, Some(evidence)) => {
                Ok(Some(Ending::Audit { summary, evidence: Box::new(evidence) }))
            }
            _ => {
                let why = "its summary, ping, watch and evidence do not belong together";
                Err(RunError::Damaged(why.to_owned()))
            }
        }
    }
}
