//! What all connections of a server share: its settings, the table, the counts, and whom to tell.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::account::Account;
use crate::config::Config;
use crate::connection_table::{ConnectionTable, Entry};
use crate::event::{Event, Stats, Totals};

/// Whom the server tells what happens. See [`Event`] for what is expected of it.
pub(crate) type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// One server's common state.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) table: ConnectionTable,
    pub(crate) emit: EventSink,
    /// Milliseconds since `started`, as the reaper last saw them: a clock that costs one load to read.
    pub(crate) clock: AtomicU32,
    /// Threads that run the connections' tasks; 0 until the server runs.
    pub(crate) workers: AtomicUsize,
    started: Instant,
    accepted: AtomicU64,
    /// Bytes counted against the memory limit.
    pub(crate) account: Account,
    /// What went through the connections that have ended.
    closed: Mutex<Totals>,
    /// Held by whoever is choosing a connection to end for the memory limit.
    choosing: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(config: Config, emit: EventSink) -> Shared {
        Shared {
            table: ConnectionTable::new(config.max_connections),
            account: Account::new(config.memory_limit),
            config,
            emit,
            clock: AtomicU32::new(0),
            workers: AtomicUsize::new(0),
            started: Instant::now(),
            accepted: AtomicU64::new(0),
            closed: Mutex::default(),
            choosing: Mutex::default(),
        }
    }

    /// The server's state now.
    pub(crate) fn stats(&self) -> Stats {
        let closed = self.closed.lock().map(|closed| *closed).unwrap_or_default();
        let open = self.table.totals();
        Stats {
            uptime: self.started.elapsed(),
            connections: self.table.open(),
            accepted: self.accepted.load(Relaxed),
            totals: Totals {
                received: closed.received + open.received,
                sent: closed.sent + open.sent,
                dropped_frames: closed.dropped_frames + open.dropped_frames,
            },
            buffered: self.account.buffered(),
            kernel_memory: self.table.kernel_memory(),
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_closed(&self, totals: Totals) {
        if let Ok(mut closed) = self.closed.lock() {
            closed.received += totals.received;
            closed.sent += totals.sent;
            closed.dropped_frames += totals.dropped_frames;
        }
    }

    /// Counts `bytes` more for the connection at `entry`, before it allocates them.
    ///
    /// # Errors
    /// When they do not fit: what is to be done about it.
    pub(crate) fn grow(&self, entry: &Entry, bytes: usize) -> Result<(), NoRoom> {
        while !self.account.try_add(bytes) {
            self.make_room(entry, bytes)?;
        }
        Ok(())
    }

    /// Sees to it that `bytes` more fit, for the connection at `entry`: ends the one that would hold most, be it that one
    /// itself or another, until they do, or will when those that were ended have gone.
    ///
    /// # Errors
    /// When they do not fit yet, or the connection is to end.
    pub(crate) fn make_room(&self, entry: &Entry, bytes: usize) -> Result<(), NoRoom> {
        let _choosing = self.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if entry.close_cause().is_some() {
                return Err(NoRoom::Ended);
            }
            if self.account.fits(bytes) {
                return Ok(());
            }
            if self.account.will_fit(bytes) {
                return Err(NoRoom::Soon);
            }
            let with_growth = entry.buffered.load(Relaxed).saturating_add(bytes);
            let largest = self.table.largest().filter(|largest| largest.buffered.load(Relaxed) > with_growth);
            largest.unwrap_or(entry).close_for_memory(&self.account);
        }
    }
}

/// Why a connection may not hold more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// There will be room when connections that were ended have gone: soon.
    Soon,
    /// It is to end itself.
    Ended,
    /// The system has no memory.
    OutOfMemory,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
