//! How far backpressure reaches in a map: where it begins, through which processes it passes, and where it ends.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Backpressure from one or several readers, against the flow of bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Where it begins.
    pub begins: Begins,
    /// The nodes at which it begins. With [`Begins::WaitForEachOther`] these wait for each other.
    pub readers: Vec<usize>,
    /// Rate at which they read what is held back, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The longest time, in seconds, that they have not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The nodes whose output is held back, those nearest to the readers first.
    pub hops: Vec<PressureHop>,
}

/// What the readers do at which pressure begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begins {
    /// They read nothing.
    DoesNotRead,
    /// They read more slowly than is written.
    ReadsSlowly,
    /// They are suspended, by a signal or a debugger.
    IsSuspended,
    /// They do not answer.
    DoesNotAnswer,
    /// They have not accepted the connections.
    DoesNotAccept,
    /// Each of them waits until another one reads.
    WaitForEachOther,
}

/// A node whose output is held back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PressureHop {
    /// The node.
    pub process: usize,
    /// The node that it writes to, which is nearer to the reader; one of the readers stands for all of them.
    pub waits_for: usize,
    /// What it does with the pressure.
    pub role: PressureRole,
    /// Number of connections on which it is held back, of `connections` to the same node.
    pub held_back: u32,
    /// Number of connections to that node.
    pub connections: u32,
}

/// What a process whose output is held back does with its input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum PressureRole {
    /// Its input is held back too: it passes the pressure on.
    PassesOn,
    /// It reads on, or produces on, and its memory grows.
    Absorbs {
        /// Growth of its memory, in bytes per second.
        growth: f64,
    },
    /// It reads on and writes to disk.
    AbsorbsToDisk {
        /// What it writes, in bytes per second.
        rate: f64,
    },
    /// It reads on, its memory is steady, and no other output flows: it discards the bytes.
    Discards,
    /// It reads on, its memory is steady, and other outputs of it flow: what it reads may be for these.
    ServesOthers,
    /// It reads on. What becomes of the bytes is not known yet, or cannot be known: it reads too little, or its memory is not visible.
    ReadsOn,
    /// It has no input: it makes or holds the data, and waits.
    Waits,
    /// Its other connections are not visible here.
    NotVisible,
}

impl PressureRole {
    /// Whether it buffers without passing pressure on.
    pub const fn is_absorber(self) -> bool {
        matches!(self, PressureRole::Absorbs { .. } | PressureRole::AbsorbsToDisk { .. })
    }
}

impl Begins {
    /// What one reader does, as in "curl does not read".
    pub const fn verb(self, is_plural: bool) -> &'static str {
        match (self, is_plural) {
            (Begins::DoesNotRead, false) => "does not read",
            (Begins::DoesNotRead, true) => "do not read",
            (Begins::ReadsSlowly, false) => "reads slowly",
            (Begins::ReadsSlowly, true) => "read slowly",
            (Begins::IsSuspended, false) => "is suspended",
            (Begins::IsSuspended, true) => "are suspended",
            (Begins::DoesNotAnswer, false) => "does not answer",
            (Begins::DoesNotAnswer, true) => "do not answer",
            (Begins::DoesNotAccept, false) => "does not accept the connections",
            (Begins::DoesNotAccept, true) => "do not accept the connections",
            (Begins::WaitForEachOther, _) => "wait for each other",
        }
    }
}

impl fmt::Display for PressureRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PressureRole::PassesOn => "passes pressure on",
            PressureRole::Absorbs { .. } => "absorbs it",
            PressureRole::AbsorbsToDisk { .. } => "absorbs it on disk",
            PressureRole::Discards => "discards",
            PressureRole::ServesOthers => "serves others",
            PressureRole::ReadsOn => "reads on",
            PressureRole::Waits => "waits",
            PressureRole::NotVisible => "not visible here",
        })
    }
}
