//! Cost over time: what is left in a server whose peers come and go.

use std::iter;

use anyhow::Result;
use echoctl_report::{Chart, Ink, Series, Stroke, Unit};

use super::Measured;
use crate::effort::Effort;
use crate::goal::Goal;
use crate::results::{Column, Results};
use crate::server::Programs;
use crate::soak::{self, Readings, Resources, Round, mib};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let minutes = if effort.is_quick { "0.2" } else { "2" };
    let (readings, findings) = soak::record(&["--minutes", minutes], programs)?;

    let crowds = (0..readings.crowds().count()).map(|number| format!("after crowd {number}"));
    let columns = vec![
        Column::plain("connections so far", 0),
        Column::plain("idle memory, MiB", 2),
        Column::plain("file descriptors", 0),
        Column::plain("connections open", 0),
        Column::plain("memory in the crowd, MiB", 1),
    ];
    let mut results = Results::new(iter::once("fresh".to_owned()).chain(crowds), columns);
    results.fill(0, 5, 1, |row| Ok(values(&readings, row)));

    let text = findings.iter().map(|finding| format!(" Finding: {finding}.")).collect::<Vec<_>>().concat();
    Ok(Measured {
        title: "Cost over time",
        text: format!(
            "Crowds of 1,000 peers, one after another, {minutes} minutes in total: each peer connects, pings, floods without \
             reading, stalls, reads and checks every byte, resets or closes, and connects again. After each crowd all peers leave, and \
             the idle server is measured. Crowd 0 warms it up. `cargo xtask soak` does the same for half an hour, under any \
             policy.{text}"
        ),
        chart: Some(("performance-time", chart(&readings))),
        results: Some(results),
        goals: Goal::at_most(
            "what a soak leaves behind (file descriptors, connections, threads, rising memory): findings",
            Some(findings.len() as f64),
            0.0,
            |count| format!("{count:.0}"),
        )
        .into_iter()
        .collect(),
    })
}

fn values(readings: &Readings, row: usize) -> Vec<f64> {
    let at_rest =
        |sample: &Resources| vec![mib(sample.memory), sample.descriptors as f64, sample.connections as f64];
    match row.checked_sub(1).and_then(|number| readings.crowds().nth(number)) {
        None => [vec![0.0], at_rest(&readings.fresh)].concat(),
        Some(crowd) => {
            [vec![crowd.opened as f64], at_rest(&crowd.rest), vec![mib(crowd.crowded.median.memory)]].concat()
        }
    }
}

fn chart(readings: &Readings) -> Chart {
    let line = |name: &str, ink, stroke, memory: fn(&Round) -> u64| {
        let values = iter::once(readings.fresh.memory).chain(readings.crowds().map(memory));
        Series::new(name, ink, stroke, (0..).map(f64::from).zip(values.map(|bytes| bytes as f64)).collect())
    };
    let opened = iter::once(0).chain(readings.crowds().map(|crowd| crowd.opened));
    Chart::lines("Memory, by the number of connections so far", Unit::Bytes)
        .describe("The server's memory during each crowd of 1,000 peers, and idle after all have left.")
        .series(line("in the crowd", Ink::Orange, Stroke::Solid, |crowd| crowd.crowded.median.memory))
        .series(line("idle", Ink::Blue, Stroke::Solid, |crowd| crowd.rest.memory))
        .steps(opened.map(|count| format!("{:.0}k", count as f64 / 1000.0)))
}
