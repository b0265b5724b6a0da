//! The flood: connects, runs two tasks a connection, stops them when it is time, and sums up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::checker::Checker;
use crate::config::{Config, Rate, Reading};
use crate::connect::{ConnectTime, refuse_itself};
use crate::consumer::Consumer;
use crate::error::Error;
use crate::link::{Link, Phase};
use crate::outcome::{Ending, Outcome, Totals};
use crate::pacer::Pacer;
use crate::producer::{LONG, Producer};
use crate::progress::Progress;
use crate::recipe::{Pool, Recipe};
use crate::schedule::Schedule;

/// Connections to one server, ready to send.
///
/// ```no_run
/// use std::time::Duration;
/// use echoctl_client::{Config, Flood, Reading};
///
/// # async fn flood() -> Result<(), echoctl_client::Error> {
/// let addr = "127.0.0.1:7007".parse().unwrap();
/// let config = Config { reading: Reading::Nothing, for_: Some(Duration::from_secs(5)), ..Config::new(addr) };
/// let flood = Flood::connect(config).await?;
/// let outcome = flood.run().await;
/// println!("it took {} bytes before it stopped taking", outcome.totals.produced);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Flood {
    config: Config,
    links: Arc<[Arc<Link>]>,
}

impl Flood {
    /// Opens all connections, one after the other, so that no backlog overflows. Nothing is sent yet.
    ///
    /// # Errors
    /// When the configuration is out of bounds ([`Config::check`]) or a connection cannot be made within
    /// [`Config::connect_within`], or all of them within half a minute.
    pub async fn connect(config: Config) -> Result<Flood, Error> {
        config.check()?;
        let (time, count) = (ConnectTime::begin(config.connect_within), config.connections);
        // It grows: the number was asked for, and descriptors may be fewer.
        let mut links = Vec::new();
        for made in 0..count {
            let link = open(&config, time.left()).await.and_then(Link::new);
            let failed = |error| time.failure(error, made, count);
            let link =
                link.map_err(failed).map_err(|source| Error::Connect { addr: config.addr, made, source })?;
            links.push(Arc::new(link));
        }
        Ok(Flood { config, links: links.into() })
    }

    /// Its connections, for whoever samples them. A connection closes when the flood is over **and** nobody holds its
    /// link any more; bytes left unread then make its end a reset.
    pub fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    /// What ends it early.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle { links: Arc::clone(&self.links) }
    }

    /// Sends and reads as configured, until all connections have ended.
    ///
    /// Cancel safe in that dropping the future ends all tasks; the counters of the links stay as they are.
    pub async fn run(self) -> Outcome {
        let started = Instant::now();
        let mut tasks = self.spawn(started);
        let end = started + self.config.for_.unwrap_or(LONG).min(LONG);
        let deadline = tokio::time::sleep_until(end.into());
        tokio::pin!(deadline);
        let mut in_time = true;
        let mut idle = self.config.idle.map(|idle| Idle::begin(idle, &self.links));
        loop {
            let look = idle.as_ref().map(Idle::look).filter(|_| in_time);
            tokio::select! {
                task = tasks.join_next() => match task {
                    Some(Ok(())) => {}
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    None => break,
                },
                () = &mut deadline, if in_time => {
                    in_time = false;
                    self.stop_handle().stop();
                }
                () = tokio::time::sleep_until(look.unwrap_or(started).into()), if look.is_some() => {
                    if idle.as_mut().is_some_and(|idle| idle.is_over(&self.links)) {
                        in_time = false;
                        self.stop_handle().stop();
                    }
                }
            }
        }
        let endings = self.links.iter().map(|link| link.ending().cloned().unwrap_or(Ending::Stopped));
        Outcome {
            elapsed: started.elapsed(),
            totals: Totals::of(self.links.iter().map(Arc::as_ref)),
            endings: endings.collect(),
        }
    }

    /// Starts the two halves of every connection.
    fn spawn(&self, started: Instant) -> JoinSet<()> {
        let config = &self.config;
        let pool = Pool::new(config.seed);
        let mut tasks = JoinSet::new();
        for (index, link) in self.links.iter().enumerate() {
            let share = |whole| share(whole, config.connections, index);
            let pacer = |rate| match rate {
                Rate::Max => Pacer::new(Rate::Max, started),
                Rate::Limited(rate) => Pacer::new(Rate::Limited(share(rate)), started),
            };
            let recipe = Recipe::new(Arc::clone(&pool), config.framing, &config.sizes, index);
            let consumer = Consumer {
                link: Arc::clone(link),
                checker: Checker::new(recipe.clone()),
                schedule: Schedule::new(config.reading),
                pacer: pacer(match config.reading {
                    Reading::AtRate(rate) => Rate::Limited(rate),
                    _ => Rate::Max,
                }),
                drains: config.drains(),
                then_read: config.then_read,
                patience: config.patience,
                least: Config::LEAST / config.connections as u64,
                drain: config.drain,
                draining: None,
                started,
            };
            let producer = Producer {
                link: Arc::clone(link),
                recipe,
                pacer: pacer(config.rate),
                lift_at: config.rate_until.map(|until| started + until.min(LONG)),
                write_size: config.write_size,
                limit: config.bytes.map(share),
                drains: config.drains(),
                started,
            };
            tasks.spawn(consumer.run());
            tasks.spawn(producer.run());
        }
        tasks
    }
}

/// Ends a flood early, and tells how far it is. It can be cloned and sent anywhere.
#[derive(Debug, Clone)]
pub struct StopHandle {
    links: Arc<[Arc<Link>]>,
}

impl StopHandle {
    /// Ends the sending as if its time were over: what the run was told to read at the end is still read.
    pub fn stop(&self) {
        for link in &*self.links {
            link.advance(Phase::Closing);
        }
    }

    /// Ends everything now.
    pub fn abort(&self) {
        for link in &*self.links {
            link.end(Ending::Stopped);
        }
    }

    /// The totals of all connections so far.
    pub fn totals(&self) -> Totals {
        Totals::of(self.links.iter().map(Arc::as_ref))
    }
}

/// Finds out that a server no longer takes what is sent.
struct Idle(Progress);

impl Idle {
    fn begin(window: Duration, links: &[Arc<Link>]) -> Idle {
        Idle(Progress::begin(window.min(LONG), Config::LEAST, Instant::now(), moved(links)))
    }

    /// When to look next: several times within a window, so that one that was interrupted is noticed soon after.
    fn look(&self) -> Instant {
        self.0.ends().min(Instant::now() + self.0.window() / 4).max(Instant::now() + LOOK)
    }

    fn is_over(&mut self, links: &[Arc<Link>]) -> bool {
        let waits = |link: &Arc<Link>| link.ending().is_some() || link.stalled().is_some();
        self.0.is_too_slow(Instant::now(), moved(links)).is_some() && links.iter().all(waits)
    }
}

/// Bytes written and read.
fn moved(links: &[Arc<Link>]) -> u64 {
    links.iter().map(|link| link.produced() + link.consumed()).sum()
}

/// Between two looks at an idle server whose pause is not over.
const LOOK: Duration = Duration::from_millis(20);

/// One connection, its buffers set before the handshake: the window scale is agreed in it.
async fn open(config: &Config, within: Duration) -> io::Result<TcpStream> {
    let socket = match config.addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The option is a signed 32-bit number; the kernel's own maximum is less.
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

/// The part of `whole` that falls to number `index` of `parts`; the parts add up.
fn share(whole: u64, parts: usize, index: usize) -> u64 {
    let parts = parts as u64;
    whole / parts + u64::from((index as u64) < whole % parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (whole, parts) in [(10, 3), (2, 5), (1 << 30, 7)] {
            assert_eq!((0..parts).map(|index| share(whole, parts, index)).sum::<u64>(), whole);
        }
    }
}
