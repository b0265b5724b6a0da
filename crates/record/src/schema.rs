//! The version of the format, which is in every JSON object and file that this program writes.

use serde::{Deserialize, Serialize};

/// The version of every JSON object and file that this program writes. It increases when a field changes its meaning or is
/// removed, but not when one is added. Version 1 is still read.
pub const SCHEMA_VERSION: u32 = 2;

/// Always [`SCHEMA_VERSION`]: what was read from an object of an older version is one of this version from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub struct SchemaVersion;

impl From<u32> for SchemaVersion {
    fn from(_: u32) -> SchemaVersion {
        SchemaVersion
    }
}

impl From<SchemaVersion> for u32 {
    fn from(_: SchemaVersion) -> u32 {
        SCHEMA_VERSION
    }
}
