//! The record of a soak: what the server had before anybody came, and each time all had gone; and its table.

use std::fmt::{self, Display, Formatter};

use super::sample::{Crowded, Sample};

/// All that was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// Before the first peer.
    pub(super) fresh: Sample,
    /// The first crowd, after which the server has made what it makes once: a buffer a thread, its table of connections.
    pub(super) warm: Round,
    /// The crowds after it.
    pub(super) tenths: Vec<Round>,
}

/// A crowd that came and went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    /// While it was there.
    pub(super) crowded: Crowded,
    /// After it.
    pub(super) rest: Sample,
    /// Connections opened so far, by all crowds.
    pub(super) opened: u64,
    /// Bytes checked so far.
    pub(super) checked: u64,
}

impl Record {
    /// The last rest.
    pub(super) fn end(&self) -> Round {
        self.tenths.last().copied().unwrap_or(self.warm)
    }
}

/// The lines above the table.
pub(super) const HEAD: &str = "          | all have gone                                | the crowd: medians              | the most
          | memory MiB  descriptors  connections threads | peers  descriptors  memory MiB  | memory  held  kernel MiB | lives so far";

/// A line of the table.
pub(super) struct Line<'a>(pub(super) &'a str, pub(super) &'a Round);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Line(name, Round { crowded: Crowded { median, most }, rest, opened, .. }) = self;
        write!(
            f,
            "{name:<9} | {:>10.2}  {:>11}  {:>11} {:>7} ",
            mib(rest.memory),
            rest.descriptors,
            rest.connections,
            rest.threads
        )?;
        if *opened == 0 {
            return Ok(());
        }
        write!(
            f,
            "| {:>5}  {:>11}  {:>10.2}  | {:>6.1}  {:>4.1}  {:>10.1} | {opened:>12}",
            median.connections,
            median.descriptors,
            mib(median.memory),
            mib(most.memory),
            mib(most.held),
            mib(most.kernel),
        )
    }
}

/// Bytes as MiB.
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
