//! Round trips of one frame at a time, each timed.
//!
//! In a **closed loop** the next frame is sent once the last one is back. It shows the server at its best, since a stall delays
//! the frames that would have been sent meanwhile. In an **open loop** each frame has a scheduled time, and its latency counts
//! from then, even if it is sent later. So a stall shows in every frame that it delays (no "coordinated omission").

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use hdrhistogram::Histogram;

use super::{Placement, polled};

/// The measured round trips.
pub(crate) struct Pings {
    /// Frames that came back, per second.
    pub(crate) rate: f64,
    /// Number of frames that came back.
    pub(crate) count: u64,
    times: Histogram<u64>,
}

impl Pings {
    fn new(times: Histogram<u64>, time: Duration) -> Pings {
        Pings { rate: times.len() as f64 / time.as_secs_f64(), count: times.len(), times }
    }

    /// The pings of several loads that ran at the same time.
    pub(crate) fn sum(all: Vec<Pings>) -> Result<Pings> {
        let mut times = Histogram::new(3)?;
        all.iter().try_for_each(|pings| times.add(&pings.times))?;
        Ok(Pings { rate: all.iter().map(|pings| pings.rate).sum(), count: times.len(), times })
    }

    /// Microseconds within which this fraction (0 to 1) of the frames came back.
    pub(crate) fn within(&self, part: f64) -> f64 {
        self.times.value_at_quantile(part) as f64 / 1000.0
    }

    /// The median, the 99th and the 99.9th percentile, in microseconds.
    pub(crate) fn percentiles(&self) -> [f64; 3] {
        [0.5, 0.99, 0.999].map(|part| self.within(part))
    }
}

/// The threads of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Threads {
    /// One per connection, each blocked in a read until its reply is there.
    Each,
    /// This number, each waiting for its share of the connections at once.
    Few(usize),
}

/// Pings with `frame` over `connections`, one thread each, for `time`: at `rate` frames per second in total, or in a closed loop.
pub(crate) fn ping(
    addr: SocketAddr,
    connections: usize,
    frame: &[u8],
    time: Duration,
    rate: Option<f64>,
) -> Result<Pings> {
    let streams = super::connect(addr, connections)?;
    Ok(Pings::new(each(&streams, Placement::Free, frame, time, rate)?, time))
}

/// Pings in a closed loop over these connections, by threads of this number at this place.
pub(crate) fn closed_loop(
    streams: &[TcpStream],
    threads: Threads,
    placement: Placement,
    frame: &[u8],
    time: Duration,
) -> Result<Pings> {
    let times = match threads {
        Threads::Each => each(streams, placement, frame, time, None)?,
        Threads::Few(count) => polled::ping(streams, count, placement, frame, time)?,
    };
    Ok(Pings::new(times, time))
}

/// One thread per connection.
fn each(
    streams: &[TcpStream],
    placement: Placement,
    frame: &[u8],
    time: Duration,
    rate: Option<f64>,
) -> Result<Histogram<u64>> {
    let connections = streams.len();
    let barrier = Barrier::new(connections);
    thread::scope(|scope| {
        let barrier = &barrier;
        let threads: Vec<_> = (streams.iter().enumerate())
            .map(|(index, stream)| {
                // The connections take turns: 0, 1, 2, …, and 0 again.
                let pace = rate.map(|rate| (index as f64 / rate, connections as f64 / rate));
                scope.spawn(move || {
                    let placed = placement.place(index);
                    // Also after an error, or the other threads would wait.
                    barrier.wait();
                    placed?;
                    one(stream, frame, time, pace)
                })
            })
            .collect();
        let mut all = Histogram::new(3)?;
        for thread in threads {
            all.add(thread.join().map_err(|_| anyhow!("a thread of the load panicked"))??)?;
        }
        Ok(all)
    })
}

/// `pace`: seconds until the first frame is due, and between frames.
fn one(
    mut stream: &TcpStream,
    frame: &[u8],
    time: Duration,
    pace: Option<(f64, f64)>,
) -> Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    let mut back = vec![0; frame.len()];
    let began = Instant::now();
    for number in 0.. {
        let due = match pace {
            None => Instant::now(),
            Some((first, every)) => began + Duration::from_secs_f64(first + every * f64::from(number)),
        };
        if due.max(Instant::now()) >= began + time {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(frame)?;
        stream.read_exact(&mut back)?;
        times.record(due.elapsed().as_nanos() as u64)?;
        ensure!(back == frame, "wrong bytes came back");
    }
    Ok(times)
}
