//! Measures the round-trip time of frames.
//!
//! There are two modes. In a **closed loop** each connection sends the next frame when the last one has come back;
//! this shows the server's best case. At a **fixed rate** frames are due on a schedule, and the time of each counts
//! from when it was due:
//!
//! ```text
//! due         1    2    3    4    5    6    7
//! server      |    |##############|                     stalls for a while
//! loop        1    2──────────────2    3    4           one ping was slow; the others were never sent
//! fixed rate  1    2──────────────2                     every ping that was due waited, and each counts
//!                       3─────────3
//!                            4────4
//! ```
//!
//! What the closed loop omits is called coordinated omission: the server itself determines when the next frame is
//! sent.
//!
//! Each connection has a thread with a blocking socket, since this adds least to the measured time: there is no
//! runtime between the arrival of a reply and the clock. Every reply is compared with the frame, byte by byte.

mod config;
mod connection;
mod latencies;
mod message;
mod outcome;
mod probe;
mod send_schedule;

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

pub use self::config::PingConfig;
pub use self::connection::PingConnection;
pub use self::latencies::Latencies;
use self::message::Message;
pub use self::outcome::{PingFault, PingOutcome};
use self::probe::Shared;
use self::send_schedule::SendSchedule;
use crate::Error;
use crate::connect::{ConnectTimer, connect};

/// Open connections, ready to ping.
#[derive(Debug)]
pub struct Ping {
    config: PingConfig,
    message: Message,
    stop: PingStopHandle,
}

impl Ping {
    /// Opens all connections.
    ///
    /// # Errors
    /// If the frame is too short or too long, no connections are requested, or one cannot be opened in time.
    pub fn connect(config: PingConfig) -> Result<Ping, Error> {
        Error::check_connections(config.connections)?;
        let message = Message::new(config.framing, config.size)?;
        let timer = ConnectTimer::start(config.addr, config.connections, config.connect_timeout);
        let open = || {
            let stream = connect(config.addr, timer.left())?;
            // Nagle's algorithm would delay a frame that follows an unacknowledged one. The timeouts bound the wait
            // for a hung server.
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(config.timeout))?;
            stream.set_write_timeout(Some(config.timeout))?;
            PingConnection::new(stream).map(Arc::new)
        };
        let open = |opened| open().map_err(|error| timer.failure(error, opened));
        let connections = (0..config.connections).map(open).collect::<Result<_, Error>>()?;
        Ok(Ping { config, message, stop: PingStopHandle { stop_requested: Arc::default(), connections } })
    }

    /// The connections, for sampling. Each closes once the ping is over **and** every reference to it is dropped.
    pub fn connections(&self) -> &[Arc<PingConnection>] {
        &self.stop.connections
    }

    /// A handle that stops it early, from another thread.
    pub fn stop_handle(&self) -> PingStopHandle {
        self.stop.clone()
    }

    /// Sends pings until the count or the duration is reached, or it is stopped. Blocks.
    pub fn run(self) -> PingOutcome {
        let started = Instant::now();
        let schedule = SendSchedule::new(started, &self.config);
        let shared = Shared::new(schedule, self.config.timeout, &self.stop.stop_requested);
        let faults = thread::scope(|scope| {
            let shared = &shared;
            let spawn = |connection| {
                let message = self.message.clone();
                let work = move || probe::run(connection, message, shared);
                thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, work)
            };
            let probes: Vec<_> = self.stop.connections.iter().map(Arc::as_ref).map(spawn).collect();
            let end = |probe: std::io::Result<thread::ScopedJoinHandle<_>>| match probe {
                Ok(probe) => probe.join().expect("invariant: a probe returns its faults and does not panic"),
                Err(no_thread) => Err(PingFault::Io(no_thread)),
            };
            probes.into_iter().filter_map(|probe| end(probe).err()).collect()
        });
        let ended = Instant::now();
        let unsent = shared.unsent(ended);
        let (latencies, lateness) = shared.into_times();
        PingOutcome { latencies, lateness, elapsed: ended - started, unsent, faults }
    }
}

/// Stops a [`Ping`] early: its outcome then covers the replies so far.
#[derive(Debug, Clone)]
pub struct PingStopHandle {
    stop_requested: Arc<AtomicBool>,
    connections: Arc<[Arc<PingConnection>]>,
}

impl PingStopHandle {
    /// Stops without waiting for replies in flight.
    pub fn stop(&self) {
        self.stop_requested.store(true, Relaxed);
        for connection in self.connections.iter() {
            // Wakes a thread that waits for a reply. A closed connection has none.
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Bytes of stack for a connection's thread: it stores a few numbers, its message is on the heap.
const STACK_SIZE: usize = 128 * 1024;
