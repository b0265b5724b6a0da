//! A claim: what a lesson says is so, and whether this machine bore it out.

use serde::Serialize;

/// One statement about measured values, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What must hold, as a short sentence.
    pub claim: String,
    /// The values that were measured.
    pub measured: String,
    /// Whether it held.
    pub holds: bool,
}
