//! What all connections of a server share: its settings, the roster, the counts, and whom to tell.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use crate::config::Config;
use crate::event::{Event, Stats, Totals};
use crate::roster::{Ending, Roster};

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
    held: AtomicU64,
    /// The most it was since the steward last looked.
    peak: AtomicU64,
    /// What went through the connections that have ended.
    closed: Mutex<Totals>,
    /// Held by whoever is choosing a connection to end for the memory limit.
    choosing: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(config: Config, tell: Listener) -> Shared {
        Shared {
            roster: Roster::new(config.max_connections),
            config,
            tell,
            clock: AtomicU32::new(0),
            workers: AtomicUsize::new(0),
            started: Instant::now(),
            accepted: AtomicU64::new(0),
            held: AtomicU64::new(0),
            peak: AtomicU64::new(0),
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
            held: self.held(),
            kernel_memory: self.roster.kernel_memory(),
        }
    }

    /// Bytes in reply queues and frame buffers.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// The most bytes that were held since this was last asked.
    pub(crate) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Relaxed).max(self.held())
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

    /// Counts that a connection which held `before` bytes now holds `after`, and keeps to the memory limit: while all
    /// together hold more, the one that holds most is ended, be it the caller itself or another.
    pub(crate) fn count_held(&self, before: usize, after: usize) {
        if after <= before {
            self.held.fetch_sub((before - after) as u64, Relaxed);
            return;
        }
        let total = self.held.fetch_add((after - before) as u64, Relaxed) + (after - before) as u64;
        if total > self.peak.load(Relaxed) {
            self.peak.fetch_max(total, Relaxed);
        }
        if total > self.config.memory_limit {
            self.end_largest();
        }
    }

    /// What an ended connection holds is no longer counted, at once, though its task has yet to wake and give it back:
    /// otherwise the next one that asks would end another in its stead.
    fn end_largest(&self) {
        let Ok(_choosing) = self.choosing.lock() else { return };
        while self.held() > self.config.memory_limit {
            let Some(slot) = self.roster.largest() else { return };
            slot.end(Ending::MemoryLimit);
            self.held.fetch_sub(slot.held.swap(0, Relaxed) as u64, Relaxed);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
