//! The ping: how long a frame takes to the server and back.
//!
//! It asks in one of two ways. In a **closed loop** each connection sends the next frame when the last one is back: what
//! the server can do at best. At a **fixed rate** frames are due by a schedule, and the time counts from when one was due:
//!
//! ```text
//! due         1    2    3    4    5    6    7
//! server      |    |##############|                     stalls for a while
//! loop        1    2──────────────2    3    4           one ping was slow; those that were to come, nobody timed
//! fixed rate  1    2──────────────2                     every ping that was due waited, and each counts
//!                       3─────────3
//!                            4────4
//! ```
//!
//! What the loop leaves out is called coordinated omission: the server itself decides when it is asked.
//!
//! Each connection is a thread with a blocking socket, because that adds least to what is measured: no runtime stands
//! between the reply's arrival and the clock. Every reply is compared, byte by byte, with what was sent.

mod latencies;
mod message;
mod probe;
mod send_schedule;

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_proto::Framing;

pub use self::latencies::Latencies;
use self::message::Message;
pub use self::probe::PingFault;
use self::probe::Shared;
use self::send_schedule::SendSchedule;
use crate::Error;
use crate::connect::{ConnectTimer, connect};

/// What to ask, how often, and when to stop.
#[derive(Debug, Clone)]
pub struct PingConfig {
    /// The server, which is to echo what it gets.
    pub addr: SocketAddr,
    /// How frames are marked; the server's own framing must be the same.
    pub framing: Framing,
    /// Bytes of each frame, marks included: at most [`MAX_SIZE`](PingConfig::MAX_SIZE).
    pub size: usize,
    /// Connections, each with at most one frame on its way.
    pub connections: usize,
    /// Frames a second over all connections; `None` is the closed loop.
    pub rate: Option<u64>,
    /// Frames in all; `None` is without end.
    pub count: Option<u64>,
    /// For how long frames are sent; `None` is without end.
    pub duration: Option<Duration>,
    /// How long each reply may take, from its sending to its last byte, until the server counts as silent. More than 0.
    pub timeout: Duration,
    /// The longest that a handshake may take. More than 0.
    pub connect_timeout: Duration,
}

impl PingConfig {
    /// The longest frame in bytes: it fits into any socket's queues, so it can be written whole before its reply is
    /// read, and no server can be waiting for us to read while we wait for it to.
    pub const MAX_SIZE: usize = 64 * 1024;
}

/// Connections that are ready to ping.
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
    /// When the frame is too short or too long, there are no connections to open, or one cannot be opened in time.
    pub fn connect(config: PingConfig) -> Result<Ping, Error> {
        if config.connections == 0 {
            return Err(Error::NoConnections);
        }
        let message = Message::new(config.framing, config.size)?;
        let time = ConnectTimer::start(config.connect_timeout);
        let connect = |opened| {
            let refused = |error| {
                let source = time.failure(error, opened, config.connections);
                Error::Connect { addr: config.addr, opened, source }
            };
            let stream = connect(config.addr, time.left()).map_err(refused)?;
            // Nagle would hold a frame back that follows an unacknowledged one; the timeouts keep a dead server from
            // holding us for ever.
            stream.set_nodelay(true).map_err(refused)?;
            stream.set_read_timeout(Some(config.timeout)).map_err(refused)?;
            stream.set_write_timeout(Some(config.timeout)).map_err(refused)?;
            Ok(stream)
        };
        let streams = (0..config.connections).map(connect).collect::<Result<_, Error>>()?;
        Ok(Ping { config, message, stop: PingStopHandle { stop_requested: Arc::default(), streams } })
    }

    /// A way to end it early, from another thread.
    pub fn stop_handle(&self) -> PingStopHandle {
        self.stop.clone()
    }

    /// Pings until the count or the time is reached, or it is stopped. Blocks.
    pub fn run(self) -> PingOutcome {
        let started = Instant::now();
        let schedule = SendSchedule::new(started, self.config.rate, self.config.count, self.config.duration);
        let shared = Shared::new(schedule, self.config.timeout, &self.stop.stop_requested);
        let faults = thread::scope(|scope| {
            let shared = &shared;
            let spawn = |stream| {
                let message = self.message.clone();
                let work = move || probe::run(stream, message, shared);
                thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, work)
            };
            let probes: Vec<_> = self.stop.streams.iter().map(spawn).collect();
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

/// Ends a [`Ping`] early: its outcome then covers what came back until now.
#[derive(Debug, Clone)]
pub struct PingStopHandle {
    stop_requested: Arc<AtomicBool>,
    streams: Arc<[TcpStream]>,
}

impl PingStopHandle {
    /// Stops, without waiting for replies that are on their way.
    pub fn stop(&self) {
        self.stop_requested.store(true, Relaxed);
        for stream in self.streams.iter() {
            // Wakes a thread that waits for a reply. One that is closed already needs no waking.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct PingOutcome {
    /// The time of each frame that came back whole and right.
    pub latencies: Latencies,
    /// By how much we ourselves sent too late, where a connection was free and only we slept on: the part of the latencies
    /// that is the instrument's and not the server's. Empty in a closed loop.
    pub lateness: Latencies,
    /// How long it took in all.
    pub elapsed: Duration,
    /// Frames that were due and never sent, because no connection was free in time: the server did not keep up with the
    /// rate. 0 in a closed loop.
    pub unsent: u64,
    /// What ended connections before their time, at most one each.
    pub faults: Vec<PingFault>,
}

/// Bytes of stack for a connection's thread: it holds a few numbers, its message is on the heap.
const STACK_SIZE: usize = 128 * 1024;
