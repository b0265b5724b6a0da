//! A statement that a lesson makes about its measurements, and whether it holds.

use serde::Serialize;

/// One statement about measured values, and the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What must hold, as a short sentence.
    pub claim: String,
    /// The values that were measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}
