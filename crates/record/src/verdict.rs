//! The names of the verdicts on a server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The verdict on a server. `echoctl audit --help` says what each is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stopped reading, or producing: backpressure reached the producer.
    Bounded,
    /// It closed the connection.
    Disconnects,
    /// It accepts everything and buffers nothing.
    Discards,
    /// It accepts everything and writes it to disk.
    Spills,
    /// It stops serving other clients.
    Starves,
    /// It sends back other bytes than those that it received.
    Corrupts,
    /// It accepts everything and buffers it in memory.
    Unbounded,
    /// It crashed.
    Crashes,
    /// It accepted too little in the time for any other verdict.
    Slow,
    /// The evidence is not sufficient for a verdict.
    Inconclusive,
}

/// What a verdict says about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A client that does not read cannot harm the server, its other clients or the data.
    Safe,
    /// It can.
    Unsafe,
    /// Not known.
    Unknown,
}

impl Verdict {
    /// All, in the order in which help and documents list them.
    pub const ALL: [Verdict; 10] = [
        Verdict::Bounded,
        Verdict::Disconnects,
        Verdict::Discards,
        Verdict::Spills,
        Verdict::Starves,
        Verdict::Corrupts,
        Verdict::Unbounded,
        Verdict::Crashes,
        Verdict::Slow,
        Verdict::Inconclusive,
    ];

    /// Those of an unsafe server, the worst first.
    pub const UNSAFE: [Verdict; 5] =
        [Verdict::Crashes, Verdict::Unbounded, Verdict::Corrupts, Verdict::Starves, Verdict::Spills];

    /// Whether the server is safe.
    pub const fn class(self) -> Class {
        match self {
            Verdict::Bounded | Verdict::Disconnects | Verdict::Discards => Class::Safe,
            Verdict::Spills
            | Verdict::Starves
            | Verdict::Corrupts
            | Verdict::Unbounded
            | Verdict::Crashes => Class::Unsafe,
            Verdict::Slow | Verdict::Inconclusive => Class::Unknown,
        }
    }

    /// Its name in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Bounded => "bounded",
            Verdict::Disconnects => "disconnects",
            Verdict::Discards => "discards",
            Verdict::Spills => "spills",
            Verdict::Starves => "starves",
            Verdict::Corrupts => "corrupts",
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
mod tests {
    use super::*;

    #[test]
    fn each_unsafe_verdict_is_listed_by_its_severity() {
        let listed: Vec<Verdict> = Verdict::ALL.into_iter().filter(|v| v.class() == Class::Unsafe).collect();
        let mut by_severity = Verdict::UNSAFE.to_vec();
        by_severity.reverse();
        by_severity.sort_by_key(|verdict| listed.iter().position(|listed| listed == verdict));

        assert_eq!(by_severity, listed);
    }

    #[test]
    fn each_verdict_has_the_name_that_json_has() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("\"{verdict}\""));
        }
    }
}
