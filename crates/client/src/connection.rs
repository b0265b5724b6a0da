//! The connection: one connection of a flood, its socket and its live counters.
//!
//! Producer, consumer and whoever samples the run share it. Counters are relaxed atomics, each written by one task alone; a
//! sampler that wants them to fall along the path reads `consumed` first and `produced` last.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::checker::Tally;
use crate::outcome::{Drain, Ending};

/// One connection. On Unix its socket can be borrowed (`AsFd`), to ask the kernel about it.
#[derive(Debug)]
pub struct Connection {
    pub(crate) stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    produced: AtomicU64,
    consumed: AtomicU64,
    frames_started: AtomicU64,
    /// Bytes that the producer has handed to the kernel, or is about to.
    announced: AtomicU64,
    /// Nanoseconds after `epoch`, plus 1; 0 while no write waits.
    blocked_since: AtomicU64,
    longest_stall: AtomicU64,
    tally: Mutex<Tally>,
    phase: watch::Sender<Phase>,
    ending: OnceLock<Ending>,
    drain: OnceLock<Drain>,
    epoch: Instant,
}

/// How far a connection is. Phases only go forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It sends.
    Sending,
    /// It is to send no more than the rest of the frame it is in.
    Closing,
    /// All is sent.
    Sent,
    /// Nothing more will happen.
    Over,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Connection> {
        Ok(Connection {
            local: stream.local_addr()?,
            peer: stream.peer_addr()?,
            stream,
            produced: AtomicU64::new(0),
            consumed: AtomicU64::new(0),
            frames_started: AtomicU64::new(0),
            announced: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            longest_stall: AtomicU64::new(0),
            tally: Mutex::default(),
            phase: watch::Sender::new(Phase::Sending),
            ending: OnceLock::new(),
            drain: OnceLock::new(),
            epoch: Instant::now(),
        })
    }

    /// Its own address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The server's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes written: what the kernel took. Counted when the write returns, so the kernel may be a write ahead of it.
    pub fn produced(&self) -> u64 {
        self.produced.load(Relaxed)
    }

    /// Bytes read.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Relaxed)
    }

    /// Frames begun to be sent.
    pub fn frames(&self) -> u64 {
        self.frames_started.load(Relaxed)
    }

    /// What the check has found so far.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the kernel has taken no byte of the write that waits now, if one does.
    pub fn stalled(&self) -> Option<Duration> {
        let since = self.blocked_since.load(Relaxed).checked_sub(1)?;
        Some(self.epoch.elapsed().saturating_sub(Duration::from_nanos(since)))
    }

    /// The longest such time so far, that of the write that waits now included.
    pub fn longest_stall(&self) -> Duration {
        let past = Duration::from_nanos(self.longest_stall.load(Relaxed));
        self.stalled().map_or(past, |now| past.max(now))
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// How it was drained, once it is over.
    pub(crate) fn drain(&self) -> Option<Drain> {
        self.drain.get().copied()
    }

    pub(crate) fn set_drain(&self, drain: Drain) {
        let _ = self.drain.set(drain);
    }

    /// Moves on to `phase`, if that is forward, and wakes who waits for it.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let forward = phase > *now;
            *now = phase.max(*now);
            forward
        });
    }

    /// Ends it. The first reason given stays.
    pub(crate) fn end(&self, ending: Ending) {
        let _ = self.ending.set(ending);
        self.advance(Phase::Over);
    }

    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Counts `bytes` as written.
    pub(crate) fn record_write(&self, bytes: usize) {
        self.produced.fetch_add(bytes as u64, Relaxed);
    }

    /// Says, before the write, how many frames will then be begun, and bytes sent: their echo may be back before the write
    /// returns.
    pub(crate) fn announce(&self, frames: u64, bytes: u64) {
        self.frames_started.store(frames, Relaxed);
        self.announced.store(bytes, Relaxed);
    }

    /// Whether more was read than can have been sent: no echo does that.
    pub(crate) fn has_excess(&self) -> bool {
        self.consumed() > self.announced.load(Relaxed)
    }

    /// Counts `bytes` as read, and keeps what the check says of all so far.
    pub(crate) fn record_read(&self, bytes: usize, tally: Tally) {
        self.consumed.fetch_add(bytes as u64, Relaxed);
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }

    /// Says that a write begins to wait, or no longer waits.
    pub(crate) fn set_blocked(&self, waits: bool) {
        if waits {
            self.blocked_since.store(self.epoch.elapsed().as_nanos() as u64 + 1, Relaxed);
        } else {
            self.longest_stall.store(self.longest_stall().as_nanos() as u64, Relaxed);
            self.blocked_since.store(0, Relaxed);
        }
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Connection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Connection {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.stream.as_socket()
    }
}
