//! One connection of a flood: its socket and its live counters, shared by producer, consumer and sampler.
//!
//! Counters are relaxed atomics, and each is written by only one task. A sampler that wants no counter to exceed the
//! one before it on the path reads `consumed` first and `produced` last.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::outcome::{Drain, Ending};
use super::thread_buffer;
use crate::Totals;
use crate::live::{LiveConnection, LiveCounters};

/// One connection of a flood. On Unix its socket can be borrowed (`AsFd`), to query the kernel.
#[derive(Debug)]
pub struct Connection {
    pub(crate) stream: TcpStream,
    counters: LiveCounters,
    /// Bytes of the frame that named it.
    pub(super) introduction: AtomicU64,
    frames_started: AtomicU64,
    /// Bytes that the producer has written or is about to write.
    announced: AtomicU64,
    /// Nanoseconds after `epoch`, plus 1; 0 while no write is blocked.
    blocked_since: AtomicU64,
    longest_stall: AtomicU64,
    /// What the checker has found.
    tally: Mutex<Totals>,
    pub(crate) phase: watch::Sender<Phase>,
    ending: OnceLock<Ending>,
    /// The drain, if there was one, once the connection has ended.
    pub(crate) drain: OnceLock<Drain>,
    epoch: Instant,
}

/// Phase of a connection. Phases only advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is sending.
    Sending,
    /// It is to send only the rest of the current frame.
    Closing,
    /// Everything is sent.
    Sent,
    /// The connection has ended.
    Over,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Connection> {
        Ok(Connection {
            counters: LiveCounters::new(stream.local_addr()?, stream.peer_addr()?),
            stream,
            introduction: AtomicU64::new(0),
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

    /// Frames of which at least a part has been sent.
    pub(crate) fn frames(&self) -> u64 {
        self.frames_started.load(Relaxed)
    }

    /// Its counters now. Reads `consumed` before `produced`, so that it is never the larger one.
    pub(crate) fn totals(&self) -> Totals {
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        Totals {
            consumed: self.consumed(),
            produced: self.produced(),
            frames: self.frames(),
            longest_stall: self.longest_stall(),
            stalled: self.stalled().is_some().into(),
            open: self.ending().is_none().into(),
            ..tally
        }
    }

    /// How long the current write has been blocked; `None` if none is.
    pub fn stalled(&self) -> Option<Duration> {
        let since = self.blocked_since.load(Relaxed).checked_sub(1)?;
        Some(self.epoch.elapsed().saturating_sub(Duration::from_nanos(since)))
    }

    /// The longest time that a write has been blocked so far, including the current one.
    fn longest_stall(&self) -> Duration {
        Duration::from_nanos(self.longest_stall.load(Relaxed)).max(self.stalled().unwrap_or_default())
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// How the connection ended; `None` while it is open.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Advances to `phase`, unless that would go backwards, and wakes the tasks that wait for a change.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let forward = phase > *now;
            *now = phase.max(*now);
            forward
        });
    }

    /// Ends the connection. Only the first reason is stored.
    pub(crate) fn end(&self, ending: Ending) {
        let _ = self.ending.set(ending);
        self.advance(Phase::Over);
    }

    /// Adds `bytes` to the bytes written.
    pub(crate) fn record_write(&self, bytes: usize) {
        self.counters.record_write(bytes);
    }

    /// Stores, before the write, the frames and bytes that will have been sent by then: their echo may arrive before
    /// the write returns.
    pub(crate) fn announce(&self, frames: u64, bytes: u64) {
        self.frames_started.store(frames, Relaxed);
        self.announced.store(bytes, Relaxed);
    }

    /// Whether more bytes were read than can have been sent, which no echo returns.
    pub(crate) fn has_excess(&self) -> bool {
        self.consumed() > self.announced.load(Relaxed)
    }

    /// Adds `bytes` to the bytes read, and stores the results of the check so far.
    pub(crate) fn record_read(&self, bytes: usize, tally: Totals) {
        self.counters.record_read(bytes);
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }

    /// Reads what has arrived, without checking or counting it: to see, once the connection has ended with replies left unread,
    /// whether the server goes on. Returns the number of bytes; 0 if there are none now, or no more will come.
    pub fn discard(&self) -> usize {
        thread_buffer::with(READ_SIZE, |block| self.stream.try_read(block)).unwrap_or(0)
    }

    /// Records that a write is blocked, until the result is dropped.
    pub(crate) fn stall(&self) -> Stall<'_> {
        let since = Instant::now();
        self.blocked_since.store(since.duration_since(self.epoch).as_nanos() as u64 + 1, Relaxed);
        Stall { connection: self, since }
    }
}

impl LiveConnection for Connection {
    fn counters(&self) -> &LiveCounters {
        &self.counters
    }

    /// The frame that named it.
    fn uncounted(&self) -> u64 {
        self.introduction()
    }
}

/// A write that is blocked.
#[derive(Debug)]
pub(crate) struct Stall<'a> {
    connection: &'a Connection,
    pub(crate) since: Instant,
}

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        let longest = self.connection.longest_stall();
        self.connection.longest_stall.store(longest.as_nanos() as u64, Relaxed);
        self.connection.blocked_since.store(0, Relaxed);
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

/// Bytes per read: enough to make the cost of the system call negligible, and half of a common L2 cache.
pub(crate) const READ_SIZE: usize = 128 * 1024;
