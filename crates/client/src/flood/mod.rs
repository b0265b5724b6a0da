//! Runs a flood: opens the connections, starts two tasks per connection, stops them in time, and adds up the totals.

mod config;
mod connection;
mod consumer;
mod introduction;
mod outcome;
mod pacer;
mod producer;
mod progress;
mod schedule;
mod thread_buffer;

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

pub use self::config::{Config, Rate, Reading};
pub use self::connection::{Connection, Phase};
pub use self::outcome::{CloseKind, Drain, Ending, Outcome};

use self::consumer::Consumer;
use self::pacer::Pacer;
use self::producer::Producer;
use self::progress::Progress;
use crate::checker::Checker;
use crate::connect::{ConnectTimer, refuse_itself};
use crate::error::Error;
use crate::live::LiveConnection;
use crate::payload::{Pool, Recipe};
use crate::{FAR_FUTURE, Totals};

/// Connections to one server, ready to send.
///
/// ```no_run
/// use std::time::Duration;
/// use echoctl_client::{Config, Flood, Reading};
///
/// # async fn flood() -> Result<(), echoctl_client::Error> {
/// let addr = "127.0.0.1:7007".parse().unwrap();
/// let config = Config { reading: Reading::Nothing, duration: Some(Duration::from_secs(5)), ..Config::new(addr) };
/// let flood = Flood::connect(config).await?;
/// let outcome = flood.run().await;
/// println!("the server accepted {} bytes", outcome.totals.produced);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Flood {
    config: Arc<Config>,
    connections: Arc<[Arc<Connection>]>,
}

impl Flood {
    /// Opens all connections, one after the other, so that no backlog overflows. Sends nothing yet.
    ///
    /// # Errors
    /// If the configuration is invalid ([`Config::check`]), or if a connection cannot be opened within
    /// [`Config::connect_timeout`], or not all of them within half a minute.
    pub async fn connect(config: Config) -> Result<Flood, Error> {
        config.check()?;
        let timer = ConnectTimer::start(config.addr, config.connections, config.connect_timeout);
        // Not preallocated: the process may have fewer file descriptors than the connections requested.
        let mut connections = Vec::new();
        for opened in 0..config.connections {
            let connection = open(&config, timer.left()).await.and_then(Connection::new);
            connections.push(Arc::new(connection.map_err(|error| timer.failure(error, opened))?));
        }
        Ok(Flood { config: Arc::new(config), connections: connections.into() })
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The connections, for sampling. A connection closes once the flood is over **and** every reference to it is
    /// dropped. If bytes were left unread, it closes with a reset.
    pub fn connections(&self) -> &[Arc<Connection>] {
        &self.connections
    }

    /// A handle that stops the flood early.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle { connections: Arc::clone(&self.connections) }
    }

    /// Sends and reads as configured, until all connections have ended.
    ///
    /// Cancel safe: dropping the future stops all tasks, and the counters of the connections keep their values.
    pub async fn run(self) -> Outcome {
        let started = Instant::now();
        let mut tasks = self.spawn(started);
        let all_ended = async {
            while let Some(task) = tasks.join_next().await {
                // A task without a panic was cancelled: the runtime is shutting down.
                if let Some(panic) = task.err().and_then(|error| error.try_into_panic().ok()) {
                    std::panic::resume_unwind(panic);
                }
            }
        };
        let end = started + self.config.duration.unwrap_or(FAR_FUTURE).min(FAR_FUTURE);
        let stop_in_time = async {
            tokio::select! {
                () = tokio::time::sleep_until(end.into()) => {}
                () = self.until_idle() => {}
            }
            self.stop_handle().stop();
            future::pending().await
        };
        tokio::select! {
            () = all_ended => {}
            () = stop_in_time => {}
        }
        let endings =
            self.connections.iter().map(|connection| connection.ending().cloned().unwrap_or(Ending::Stopped));
        Outcome {
            elapsed: started.elapsed(),
            totals: self.stop_handle().totals(),
            endings: endings.collect(),
            drain: self
                .connections
                .iter()
                .filter_map(|connection| connection.drain.get().copied())
                .reduce(Drain::merge),
        }
    }

    /// Waits until the server no longer accepts data: every write is blocked, and too few bytes have moved for the idle
    /// timeout.
    async fn until_idle(&self) {
        let Some(window) = self.config.idle_timeout else { return future::pending().await };
        let (window, moved) = (window.min(FAR_FUTURE), || moved(&self.connections));
        let mut progress = Progress::start(window, Config::MIN_PROGRESS, Instant::now(), moved());
        let waits =
            |connection: &Arc<Connection>| connection.ending().is_some() || connection.stalled().is_some();
        loop {
            // Several times per window, so that progress after a window is noticed soon.
            let now = Instant::now();
            let next = progress.ends().min(now + window / 4).max(now + MIN_CHECK_INTERVAL);
            tokio::time::sleep_until(next.into()).await;
            if progress.is_too_slow(Instant::now(), moved()).is_some() && self.connections.iter().all(waits) {
                return;
            }
        }
    }

    /// Starts both tasks of every connection.
    fn spawn(&self, started: Instant) -> JoinSet<()> {
        let config = &self.config;
        let pool = Pool::new(config.seed);
        let mut tasks = JoinSet::new();
        for (index, connection) in self.connections.iter().enumerate() {
            let share = |total| share(total, config.connections, index);
            let pacer = |rate: Option<u64>| Pacer::new(rate.map(share), started);
            let recipe = Recipe::new(Arc::clone(&pool), config.framing, &config.sizes, index);
            let read_rate = match config.reading {
                Reading::AtRate(rate) => Some(rate),
                _ => None,
            };
            let checker = Checker::new(recipe.clone());
            let (read_pacer, connection) = (pacer(read_rate), Arc::clone(connection));
            let consumer =
                Consumer::new(connection.clone(), Arc::clone(config), checker, read_pacer, started);
            let producer = Producer {
                connection,
                config: Arc::clone(config),
                recipe,
                pacer: pacer(config.rate.limit()),
                unlimited_at: config.rate_until.map(|until| started + until.min(FAR_FUTURE)),
                limit: config.bytes.map(share),
                started,
            };
            tasks.spawn(consumer.run());
            tasks.spawn(producer.run());
        }
        tasks
    }
}

/// Stops a flood early, and reports its totals so far. It can be cloned and sent to other threads.
#[derive(Debug, Clone)]
pub struct StopHandle {
    connections: Arc<[Arc<Connection>]>,
}

impl StopHandle {
    /// Stops sending, as if [`Config::duration`] had passed. A drain at the end still takes place.
    pub fn stop(&self) {
        self.connections.iter().for_each(|connection| connection.advance(Phase::Closing));
    }

    /// Stops everything immediately.
    pub fn abort(&self) {
        self.connections.iter().for_each(|connection| connection.end(Ending::Stopped));
    }

    /// The totals of all connections so far.
    pub fn totals(&self) -> Totals {
        self.connections.iter().map(|connection| connection.totals()).fold(Totals::default(), Totals::merge)
    }
}

/// Bytes written and read.
fn moved(connections: &[Arc<Connection>]) -> u64 {
    connections.iter().map(|connection| connection.produced() + connection.consumed()).sum()
}

/// Minimum interval between two looks at the progress.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Opens one connection. Sets its buffer sizes before the handshake, in which the window scale is negotiated.
async fn open(config: &Config, within: Duration) -> io::Result<TcpStream> {
    let socket = match config.addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The option is a signed 32-bit number; the kernel's own maximum is smaller.
    let clamped = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX).unsigned_abs();
    if let Some(bytes) = config.sndbuf {
        socket.set_send_buffer_size(clamped(bytes))?;
    }
    if let Some(bytes) = config.rcvbuf {
        socket.set_recv_buffer_size(clamped(bytes))?;
    }
    let connected = tokio::time::timeout(within, socket.connect(config.addr)).await;
    let stream = connected.map_err(|_| io::ErrorKind::TimedOut)??;
    refuse_itself(stream.local_addr()?, stream.peer_addr()?)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Share number `index` of `total`, divided among `parts`. The shares add up to `total`.
fn share(total: u64, parts: usize, index: usize) -> u64 {
    let parts = parts as u64;
    total / parts + u64::from((index as u64) < total % parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (total, parts) in [(10, 3), (2, 5), (1 << 30, 7)] {
            assert_eq!((0..parts).map(|index| share(total, parts, index)).sum::<u64>(), total);
        }
    }
}
