//! Stalled connections: peers that send and never read, under each policy and compared with the peers.

use anyhow::Result;

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::goal::{Goal, kib, times};
use crate::load::{Framing, connect, frames, stall};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs, Server};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let policies =
        super::policies::POLICIES.map(|policy| Candidate::with_stats(policy, &["--backpressure", policy]));
    let peers =
        ["tokio-loop", "tokio-copy", "tokio-lines", "threads", "monoio", "io-uring"].map(Candidate::peer);
    let candidates: Vec<_> = policies.into_iter().chain(peers).collect();
    let columns = [
        Column::plain("KiB each", 1),
        Column::plain("accepted from each, MiB", 2),
        Column::plain("queued, MiB", 1),
        Column::plain("growth per byte queued", 3),
        Column::plain("disconnected", 0),
        Column::plain("one peer, sent 1 GiB: KiB", 0),
    ];
    let mut results = Results::of(&candidates, columns);
    results.fill(0, 5, effort.steady_rounds, |row| {
        let most = if UNCHECKED.contains(&candidates[row].name.as_str()) { MOST_UNCHECKED } else { MOST };
        many(candidates[row].start(programs)?, if effort.is_quick { 20 } else { 200 }, most)
    });
    results.fill(5, 1, effort.steady_rounds, |row| one(candidates[row].start(programs)?));

    let one = results.median(0, 5);
    let goals = [
        Goal::at_most("growth under await, one peer that sends 1 GiB and reads nothing", one, 160.0, kib),
        Goal::at_most("growth per peer, 200 such peers", results.median(0, 0), 32.0, kib),
        Goal::at_most("growth under off per byte queued, 64-byte frames", results.median(1, 3), 1.02, times),
    ];
    Ok(Measured {
        title: "Stalled connections",
        text: format!(
            "200 peers send 64-byte lines as long as the server accepts them, at most {} MiB each \
             ({} MiB where the server does not stop reading), and read nothing; then one peer sends up to 1 GiB. Growth of the server's anonymous memory. Accepted bytes are in the kernel's queues, and \
             under `off` in the server. `drop` accepts everything and stays within its limit. Limits are the defaults (1 MiB per queue). \
             For `io-uring`, its pool of 16 MiB per CPU is in the growth, as far as the peers have made use of it.",
            MOST >> 20,
            MOST_UNCHECKED >> 20
        ),
        results: Some(results),
        goals: goals.into_iter().flatten().collect(),
        chart: None,
    })
}

/// KiB per peer, MiB accepted from each, MiB queued, growth per byte queued, peers disconnected.
fn many(mut server: Server, count: usize, most: u64) -> Result<Vec<f64>> {
    let before = server.settled_memory()?;
    let streams = connect(server.addr, count)?;
    let idle = server.settled_memory()?;
    let stalled = stall(&streams, &frames(Framing::Lines, 64, 65_536), most)?;
    let growth = server.settled_memory()? as f64;
    let mut values =
        vec![(growth - before as f64) / 1024.0 / count as f64, stalled.taken as f64 / MIB / count as f64];
    // Peers do not report their queues.
    let queued = server.stats()["queued"].as_f64().unwrap_or(f64::NAN);
    // A queue of a few KiB says nothing about the cost per byte.
    let a_byte = if queued > 16.0 * MIB { (growth - idle as f64) / queued } else { f64::NAN };
    values.extend([queued / MIB, a_byte, stalled.ended as f64]);
    Ok(values)
}

/// KiB of one peer.
fn one(mut server: Server) -> Result<Vec<f64>> {
    let before = server.settled_memory()? as f64;
    let streams = connect(server.addr, 1)?;
    stall(&streams, &frames(Framing::Lines, 64, 65_536), 1 << 30)?;
    Ok(vec![(server.settled_memory()? as f64 - before) / 1024.0])
}

/// Policies under which the server does not stop reading, or only disconnects.
const UNCHECKED: [&str; 3] = ["off", "drop", "disconnect"];

/// Maximum bytes per peer: far more than the kernels of both ends buffer.
const MOST: u64 = 64 << 20;

/// The same where the server does not stop reading: in total less than its memory limit.
const MOST_UNCHECKED: u64 = 8 << 20;
