//! The totals of a ping, with the percentiles of its round-trip times.

use echoctl_record::{Bytes, Latencies, Latency, PingSummary, Seconds};

use crate::Table;

/// Totals of a ping. What was not measured has no row.
pub(super) fn ping_table(ping: &PingSummary) -> Table {
    let plan = ping.rate.map_or("closed loop".to_owned(), |rate| format!("{rate} frames per second planned"));
    let table = Table::default()
        .entry("server", Some(&ping.target))
        .entry("connections", Some(ping.connections))
        .entry("duration", Some(Seconds(ping.seconds)))
        .entry("frame size", Some(Bytes(ping.size)))
        .entry("load", Some(plan))
        .entry("frames that came back", Some(ping.latencies.count()))
        .entry("frames due and not sent", (ping.unsent > 0).then_some(ping.unsent))
        .entry("connections that failed", (!ping.faults.is_empty()).then_some(ping.faults.len()))
        .entry("mean round-trip time", ping.latencies.mean().map(Latency));
    Latencies::QUANTILES.into_iter().fold(table, |table, (quantile, name)| {
        table.entry(&format!("  {name}"), ping.latencies.quantile(quantile).map(Latency))
    })
}
