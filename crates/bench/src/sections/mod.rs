//! The experiments, one per file, in the order of the documentation.

mod audits;
mod beside;
mod build;
mod calls;
mod class;
mod crossing;
mod decoding;
mod flood;
mod idle;
mod latency;
mod ledger;
mod many;
mod policies;
mod stalled;
mod throughput;
mod time;
mod watching;

use anyhow::Result;
use echoctl_report::Chart;

use crate::effort::Effort;
use crate::goal::Goal;
use crate::results::Results;
use crate::server::Programs;

/// An experiment.
pub(crate) struct Section {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Runs it.
    pub(crate) measure: fn(&Effort, &Programs) -> Result<Measured>,
}

/// The result of an experiment.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Its heading.
    pub(crate) title: &'static str,
    /// What was measured and how, and how to read it.
    pub(crate) text: String,
    /// The values.
    pub(crate) results: Option<Results>,
    /// The file name of its chart, without the extension, and the chart.
    pub(crate) chart: Option<(&'static str, Chart)>,
    /// The figures to reach.
    pub(crate) goals: Vec<Goal>,
}

/// Bytes in a MiB.
const MIB: f64 = 1_048_576.0;

/// All experiments.
pub(crate) const SECTIONS: [Section; 22] = [
    Section { name: "raw", measure: throughput::raw },
    Section { name: "framed", measure: throughput::framed },
    Section { name: "sizes", measure: throughput::sizes },
    Section { name: "one-connection", measure: latency::one },
    Section { name: "many-threads", measure: many::threads },
    Section { name: "many-one-thread", measure: many::one_thread },
    Section { name: "many-two-threads", measure: many::two_threads },
    Section { name: "crossing", measure: crossing::measure },
    Section { name: "calls", measure: calls::measure },
    Section { name: "open-loop", measure: latency::open_loop },
    Section { name: "beside", measure: beside::measure },
    Section { name: "idle", measure: idle::measure },
    Section { name: "stalled", measure: stalled::measure },
    Section { name: "time", measure: time::measure },
    Section { name: "policies", measure: policies::measure },
    Section { name: "flood", measure: flood::measure },
    Section { name: "ledger", measure: ledger::measure },
    Section { name: "watching", measure: watching::measure },
    Section { name: "class", measure: class::measure },
    Section { name: "audits", measure: audits::measure },
    Section { name: "decoding", measure: decoding::measure },
    Section { name: "build", measure: build::measure },
];
