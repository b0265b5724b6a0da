//! The cost of a sample: where the bytes of a connection are, read from the kernel.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use echoctl_observe::{LocalEndpoint, ProcessTree, Sampler, WatchedConnection};

use super::Measured;
use crate::effort::Effort;
use crate::goal::Goal;
use crate::load::{Framing, connect, echo_each, frames};
use crate::results::{Column, Results};
use crate::server::{Candidate, Programs};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let columns = COUNTS.map(|count| Column::plain(format!("{count} conn., µs each"), 2));
    let mut results = Results::new(OWNERS.map(|(_, name)| name), columns.into_iter().collect());
    for (column, count) in COUNTS.into_iter().enumerate() {
        results.fill(column, 1, effort.rounds, |row| run(OWNERS[row].0, count, effort, programs));
    }
    let goal =
        Goal::at_most("a sample of the ledger, one connection of its own", results.median(0, 0), 5.0, |us| {
            format!("{us:.1} µs")
        });
    Ok(Measured {
        title: "A sample of the ledger",
        text: "One reading of the six counters of each connection and of the server's memory, as `flood` takes it twenty times per second: \
               once for connections of this process, whose own end is one call, and once for those of others, both of whose ends are \
               looked up by address. With one connection the figure includes the reading of the memory, about a fifth of it. The median of many \
               samples: one that is interrupted takes as long as the interruption."
            .to_owned(),
        results: Some(results),
        goals: goal.into_iter().collect(),
        chart: None,
    })
}

/// Microseconds per connection.
fn run(owner: Owner, count: usize, effort: &Effort, programs: &Programs) -> Result<Vec<f64>> {
    let server = Candidate::echoctl("echoctl", &["--framing", "raw"]).start(programs)?;
    let streams = connect(server.addr, count)?;
    // A connection without any traffic has fewer figures to read.
    echo_each(&streams, &frames(Framing::Raw, 1024, 1024))?;
    let watched = streams.into_iter().map(|stream| owner.watch(stream)).collect::<Result<Vec<_>>>()?;
    // The clients of others live here too: they stay open as long as this.
    let (watched, _others): (Vec<_>, Vec<_>) = watched.into_iter().unzip();
    let tree = ProcessTree::new([server.process.pid()])?;
    let mut sampler = Sampler::new(watched, Some(tree));
    let mut times = Vec::new();
    let end = Instant::now() + effort.time.mul_f64(0.5);
    while Instant::now() < end {
        let began = Instant::now();
        std::hint::black_box(sampler.sample());
        times.push(began.elapsed().as_nanos() as f64 / 1000.0);
    }
    Ok(vec![crate::results::median(times).unwrap_or(f64::NAN) / count as f64])
}

/// Whose client it is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Own,
    Other,
}

impl Owner {
    fn watch(self, stream: TcpStream) -> Result<(WatchedConnection, Arc<TcpStream>)> {
        let (local, peer, stream) = (stream.local_addr()?, stream.peer_addr()?, Arc::new(stream));
        let endpoint = match self {
            Owner::Own => Some(LocalEndpoint { socket: stream.clone(), counts: Box::new(|| (1024, 1024)) }),
            Owner::Other => None,
        };
        Ok((WatchedConnection { local, peer, endpoint }, stream))
    }
}

const OWNERS: [(Owner, &str); 2] =
    [(Owner::Own, "connections of its own"), (Owner::Other, "connections of others")];

/// One, and as many as one sample reads.
const COUNTS: [usize; 2] = [1, 100];
