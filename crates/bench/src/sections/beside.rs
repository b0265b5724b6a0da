//! Latency of small frames while other connections stream.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{MIB, Measured};
use crate::effort::Effort;
use crate::load::{Framing, frames, ping, stream};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let candidates = Candidate::raw(&["tokio-loop", "tokio-copy", "threads", "monoio", "io-uring"]);
    let columns = [
        Column::compared("p50 ms", 2),
        Column::compared("p99 ms", 2),
        Column::compared("p99.9 ms", 2),
        Column::compared("streams, MiB/s", 0),
    ];
    let mut results = Results::of(&candidates, columns);
    results.fill(0, 4, effort.rounds, |row| run(&candidates[row], programs, effort.time));
    Ok(Measured {
        title: "Latency beside streams",
        text: format!(
            "{PINGERS} connections exchange one 64-byte frame at a time, while {STREAMS} others stream as fast as they can \
             and keep all processors busy. The longer a server serves one connection without a break, the longer the others wait: \
             this measures its fairness. In brackets the ratio to the first row: for times, above 1 is slower; for streams, above 1 is faster."
        ),
        results: Some(results),
        ..Measured::default()
    })
}

/// Milliseconds of the pings, MiB/s of the streams.
fn run(candidate: &Candidate, programs: &Programs, time: Duration) -> Result<Vec<f64>> {
    let server = candidate.start(programs)?;
    let (frame, block) = (frames(Framing::Raw, 64, 64), frames(Framing::Raw, 65_536, 65_536));
    let (pings, (bytes, seconds)) = thread::scope(|scope| {
        // They start before the pings and stop after them.
        let streams = scope.spawn(|| stream(server.addr, STREAMS, &block, time + 2 * MARGIN));
        thread::sleep(MARGIN);
        let pings = ping(server.addr, PINGERS, &frame, time, None)?;
        let streams = streams.join().map_err(|_| anyhow!("a stream of the load panicked"))??;
        anyhow::Ok((pings, streams))
    })?;
    let [p50, p99, p999] = pings.percentiles().map(|microseconds| microseconds / 1000.0);
    Ok(vec![p50, p99, p999, bytes as f64 / MIB / seconds])
}

const PINGERS: usize = 8;
const STREAMS: usize = 16;

/// Time in which the streams fill the kernel's queues.
const MARGIN: Duration = Duration::from_millis(200);
