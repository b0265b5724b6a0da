//! The cost of each policy for peers that read well: throughput, latency, memory, compared with `await`.

use anyhow::Result;

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::load::{Framing, connect, frames, ping, stream};
use crate::results::{Column, Results};
use crate::server::{AGAIN, Candidate, Programs};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let policies = POLICIES.iter().map(|&policy| {
        // A stream writes as fast as it can, and is sometimes ahead of its reader. So the policies that drop or disconnect get a
        // limit that it does not reach: only the cost of checking is measured.
        let limit: &[&str] =
            if ["drop", "disconnect"].contains(&policy) { &["--queue-limit", "256MiB"] } else { &[] };
        Candidate::echoctl(policy, &[&["--backpressure", policy], limit].concat())
    });
    let mut candidates: Vec<_> = policies.collect();
    candidates.insert(1, Candidate::echoctl(AGAIN.replace("echoctl", "await"), &[]));
    candidates.extend(Candidate::io_modes("await", &[]));
    let columns = [
        Column::compared("1 conn., MiB/s", 0),
        Column::compared("32 conn., MiB/s", 0),
        Column::compared("64 conn., p50 µs", 0),
        Column::compared("p99 µs", 0),
        Column::compared("p99.9 µs", 0),
        Column::compared("idle, KiB each", 2),
    ];
    let mut results = Results::of(&candidates, columns);
    let block = frames(Framing::Lines, 64, 65_536);
    for (column, connections) in [1, 32].into_iter().enumerate() {
        results.fill(column, 1, effort.rounds, |row| {
            let server = candidates[row].start(programs)?;
            let (bytes, seconds) = stream(server.addr, connections, &block, effort.time.mul_f64(0.6))?;
            Ok(vec![bytes as f64 / MIB / seconds])
        });
    }
    results.fill(2, 3, effort.rounds, |row| {
        let server = candidates[row].start(programs)?;
        let pings = ping(server.addr, 64, &block[..64], effort.time.mul_f64(0.6), None)?;
        Ok(pings.percentiles().to_vec())
    });
    results.fill(5, 1, effort.steady_rounds, |row| {
        let mut server = candidates[row].start(programs)?;
        let before = server.settled_memory()?;
        let streams = connect(server.addr, IDLE)?;
        let growth = server.settled_memory()? as f64 - before as f64;
        drop(streams);
        Ok(vec![growth / 1024.0 / IDLE as f64])
    });
    Ok(Measured {
        title: "Cost of each policy",
        text: "64-byte lines, peers that read all the time: the cost of a policy when it does not intervene. Throughput over 1 \
               and 32 connections, latency in a closed loop over 64, memory of an idle connection (1,000 open). In brackets \
               the ratio to `await`."
            .to_owned(),
        results: Some(results),
        ..Measured::default()
    })
}

/// All policies; the first is the reference.
pub(super) const POLICIES: [&str; 7] =
    ["await", "off", "bounded", "watermark", "drop", "disconnect", "budget"];

const IDLE: usize = 1000;
