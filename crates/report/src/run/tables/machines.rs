//! One row per machine of a run that several machines made.

use echoctl_record::{Bytes, Latency, Run, Seconds};

use super::environment::machine_number;
use crate::{Table, shown};

/// A row per machine: when it started, by its own clock, and its totals. `starts` are seconds after the first.
pub fn machines(runs: &[(String, &Run)], starts: &[f64]) -> Table {
    let is_ping = runs.iter().any(|(_, run)| run.ping().is_some());
    let totals: &[&str] = match is_ping {
        true => &["frames", "p50", "p99", "p99.9", "max"],
        false => &["sent", "read back", "verdict"],
    };
    let head = ["machine", "host", "started after", "connections"].iter().chain(totals);
    let mut table = Table::new("Machines", head);
    for ((name, run), start) in runs.iter().zip(starts) {
        let name = machine_number(run).unwrap_or_else(|| name.clone());
        let host = shown(run.host.as_ref());
        let first = [name, host, Seconds(*start).to_string()];
        table = table.row(first.into_iter().chain(match is_ping {
            true => of_ping(run),
            false => of_flood(run),
        }));
    }
    table
}

fn of_ping(run: &Run) -> Vec<String> {
    let Some(ping) = run.ping() else { return Vec::new() };
    let quantiles =
        [0.5, 0.99, 0.999, 1.0].map(|quantile| shown(ping.latencies.quantile(quantile).map(Latency)));
    [ping.connections.to_string(), ping.latencies.count().to_string()].into_iter().chain(quantiles).collect()
}

fn of_flood(run: &Run) -> Vec<String> {
    let Some(summary) = run.summary() else { return Vec::new() };
    let verdict = summary.verdict.map_or_else(String::new, |verdict| verdict.to_string());
    let bytes = [summary.produced, summary.consumed].map(|bytes| Bytes(bytes).to_string());
    [summary.connections.to_string()].into_iter().chain(bytes).chain([verdict]).collect()
}
