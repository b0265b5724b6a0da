//! What all connections of a server share: its settings, the roster, the counts, and whom to tell.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::account::Account;
use crate::config::Config;
use crate::event::{Event, Stats, Totals};
use crate::roster::{Roster, Slot};

/// Whom the server tells what happens. See [`Event`] for what is expected of it.
pub(crate) type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// One server's common state.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) roster: Roster,
    pub(crate) tell: Listener,
    /// Milliseconds since `started`, as the steward last saw them: a clock that costs one load to read.
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
    pub(crate) fn new(config: Config, tell: Listener) -> Shared {
        Shared {
            roster: Roster::new(config.max_connections),
            account: Account::new(config.memory_limit),
            config,
            tell,
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
        let open = self.roster.totals();
        Stats {
            uptime: self.started.elapsed(),
            connections: self.roster.open(),
            accepted: self.accepted.load(Relaxed),
            totals: Totals {
                received: closed.received + open.received,
                sent: closed.sent + open.sent,
                dropped_frames: closed.dropped_frames + open.dropped_frames,
            },
            held: self.account.held(),
            kernel_memory: self.roster.kernel_memory(),
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

    /// Counts `bytes` more for the connection at `slot`, before it allocates them.
    ///
    /// # Errors
    /// When they do not fit: what is to be done about it.
    pub(crate) fn grow(&self, slot: &Slot, bytes: usize) -> Result<(), NoRoom> {
        while !self.account.try_take(bytes) {
            self.make_room(slot, bytes)?;
        }
        Ok(())
    }

    /// Sees to it that `bytes` more fit, for the connection at `slot`: ends the one that would hold most, be it that one
    /// itself or another, until they do, or will when those that were ended have gone.
    ///
    /// # Errors
    /// When they do not fit yet, or the connection is to end.
    pub(crate) fn make_room(&self, slot: &Slot, bytes: usize) -> Result<(), NoRoom> {
        let _choosing = self.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if slot.ending().is_some() {
                return Err(NoRoom::Ended);
            }
            if self.account.fits(bytes) {
                return Ok(());
            }
            if self.account.will_fit(bytes) {
                return Err(NoRoom::Soon);
            }
            let with_growth = slot.held.load(Relaxed).saturating_add(bytes);
            let largest = self.roster.largest().filter(|largest| largest.held.load(Relaxed) > with_growth);
            largest.unwrap_or(slot).end_for_memory(&self.account);
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
