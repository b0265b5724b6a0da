//! State that all connections of a server share: settings, the connection table, counters, and the sink of its events.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{CloseCause, ConnectionTable, EntryRef};
use crate::account::Account;
use crate::close_reason::CloseReason;
use crate::config::Config;
use crate::event::{Event, Stats};
use crate::io::places::Places;
use crate::settings::Settings;

/// Receives the server's [`Event`]s.
pub(crate) type EventSink = Box<dyn Fn(Event) + Send + Sync>;

/// State that all connections of a server share.
pub(crate) struct Shared {
    /// The settings at the start, for those that never change.
    pub(crate) config: Config,
    pub(crate) settings: Arc<Settings>,
    pub(crate) table: ConnectionTable,
    pub(crate) emit: EventSink,
    /// Milliseconds since `started`, at the last sweep of the reaper.
    clock: AtomicU32,
    /// The workers that run the connections' tasks.
    pub(crate) places: Arc<Places>,
    started: Instant,
    /// Bytes counted against the memory limit.
    pub(crate) account: Account,
    /// Locked while a connection is chosen to be closed for the memory limit.
    choosing: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(settings: Arc<Settings>, places: Arc<Places>, emit: EventSink) -> Shared {
        let config = settings.config();
        Shared {
            table: ConnectionTable::new(config.max_connections),
            account: Account::new(config.memory_limit),
            config,
            settings,
            emit,
            clock: AtomicU32::new(0),
            places,
            started: Instant::now(),
            choosing: Mutex::default(),
        }
    }

    /// The server's state now.
    pub(crate) fn stats(&self) -> Stats {
        let (accepted, totals) = self.table.totals();
        Stats {
            uptime: self.started.elapsed(),
            connections: self.table.open(),
            accepted,
            totals,
            buffered: self.account.buffered(),
            own_kernel_memory: self.table.kernel_memory(),
        }
    }

    /// Milliseconds since the server started, as of the last [`tick`](Shared::tick): a clock that costs one load.
    pub(crate) fn now(&self) -> u32 {
        self.clock.load(Relaxed)
    }

    /// Sets the clock, and returns its time.
    pub(crate) fn tick(&self) -> u32 {
        let now = self.started.elapsed().as_millis() as u32;
        self.clock.store(now, Relaxed);
        now
    }

    /// Applies the memory limit of the settings: closes the connections that buffer most, until the rest will fit.
    pub(crate) fn apply_memory_limit(&self) {
        let _choosing = self.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        self.account.set_limit(self.settings.config().memory_limit);
        while !self.account.will_fit(0)
            && let Some(largest) = self.table.largest()
        {
            largest.close_for_memory(&self.account);
        }
    }

    /// Makes room for `bytes` more of the connection at `entry`. Closes the connection that would buffer most, which may be that
    /// one itself, until there is room, or will be once the closed ones are gone.
    ///
    /// # Errors
    /// If there is no room yet, or the connection itself is being closed.
    pub(crate) fn make_room(&self, entry: &EntryRef, bytes: usize) -> Result<(), NoRoom> {
        let _choosing = self.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if entry.close_cause().is_some() {
                return Err(NoRoom::Closing);
            }
            if self.account.fits(bytes) {
                return Ok(());
            }
            if self.account.will_fit(bytes) {
                return Err(NoRoom::Soon);
            }
            let with_growth = entry.buffered().saturating_add(bytes);
            let largest = self.table.largest().filter(|largest| largest.entry.buffered() > with_growth);
            if let Some(closed) = largest.or_else(|| entry.clone().look()) {
                closed.close_for_memory(&self.account);
            }
        }
    }
}

/// Why a connection may not buffer more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// There will be room soon, once connections that are being closed are gone.
    Soon,
    /// The connection itself is being closed.
    Closing,
    /// The system has no memory.
    OutOfMemory,
}

impl NoRoom {
    /// Whether the connection may wait for room.
    ///
    /// # Errors
    /// Why it must close instead.
    pub(crate) fn wait_or_close(self) -> Result<(), CloseReason> {
        match self {
            NoRoom::Soon => Ok(()),
            NoRoom::Closing => Err(CloseCause::MemoryLimit.into()),
            NoRoom::OutOfMemory => Err(CloseReason::OutOfMemory),
        }
    }
}
