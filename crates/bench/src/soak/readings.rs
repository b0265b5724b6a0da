//! The measured values of a soak, before the first peer and after each crowd, and their table.

use std::fmt::{self, Display, Formatter};

use super::resources::{Crowded, Resources};

/// All measured values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings {
    /// Before the first peer.
    pub(crate) fresh: Resources,
    /// The first crowd, after which the server has allocated what it allocates once: one buffer per thread, its connection table.
    pub(crate) warm: Round,
    /// The crowds after it.
    pub(crate) tenths: Vec<Round>,
}

/// A crowd that has left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    /// During the crowd.
    pub(crate) crowded: Crowded,
    /// After it.
    pub(crate) rest: Resources,
    /// Connections opened so far, by all crowds.
    pub(crate) opened: u64,
    /// Bytes checked so far.
    pub(super) checked: u64,
}

impl Readings {
    /// All crowds; the first one warms the server up.
    pub(crate) fn crowds(&self) -> impl Iterator<Item = &Round> {
        std::iter::once(&self.warm).chain(&self.tenths)
    }

    /// The state at the end.
    pub(super) fn end(&self) -> Round {
        self.tenths.last().copied().unwrap_or(self.warm)
    }
}

/// The lines above the table.
pub(super) const HEAD: &str = "          | idle, after each crowd                       | the crowd: medians              | the most
          | memory MiB  descriptors  connections threads | peers  descriptors  memory MiB  | memory  buffered  kernel MiB | lives so far";

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
            "| {:>5}  {:>11}  {:>10.2}  | {:>6.1}  {:>8.1}  {:>10.1} | {opened:>12}",
            median.connections,
            median.descriptors,
            mib(median.memory),
            mib(most.memory),
            mib(most.buffered),
            mib(most.kernel),
        )
    }
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
