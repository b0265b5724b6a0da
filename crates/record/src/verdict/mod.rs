//! The verdict: what a run says of a server whose client does not read.
//!
//! - [`Verdict`]: the words.
//! - [`Evidence`]: what an attack recorded.
//! - [`Evidence::judge`]: the rule that leads from one to the other, a pure function.

mod accepting;
mod evidence;
mod figures;
mod judge;
mod limits;
mod signals;
mod stalled;
mod trend;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use evidence::{Disconnect, DisconnectKind, Drain, Evidence, Point, StopReason};
pub use figures::Figures;
pub use judge::Judgement;

/// What a run says of the server. See `echoctl audit` for what each rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It stopped reading, or producing: backpressure reached the producer.
    Bounded,
    /// It ended the connection.
    Disconnects,
    /// It takes everything and keeps nothing.
    Discards,
    /// It takes everything and keeps it on disk.
    Spills,
    /// It takes everything and keeps it in memory.
    Unbounded,
    /// It died.
    Crashes,
    /// It took too little in the time for any other verdict.
    Slow,
    /// The run does not allow a verdict.
    Inconclusive,
}

impl Verdict {
    /// Its name in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Bounded => "bounded",
            Verdict::Disconnects => "disconnects",
            Verdict::Discards => "discards",
            Verdict::Spills => "spills",
            Verdict::Unbounded => "unbounded",
            Verdict::Crashes => "crashes",
            Verdict::Slow => "slow",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
