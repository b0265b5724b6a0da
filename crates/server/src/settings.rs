//! Settings that change while the server runs, and how its connections learn of a change.
//!
//! A change is made in three steps, always in this order: the new settings are stored under a lock, the signals are set, and the
//! connections that wait are woken. A connection looks at a signal, which costs it one load, and takes the lock only where it
//! needs the settings themselves. One that is about to wait first leaves its waker in its entry of the table, and then looks at
//! the signals once more. The lock of the entry orders the two sides: either the connection sees the change, or it is woken by it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::Notify;

use crate::config::{Config, ConfigError};
use crate::policy::Policy;
use crate::table::Shared;

/// The settings of a server: before, while and after it serves.
#[derive(Debug)]
pub(crate) struct Settings {
    signals: Signals,
    current: Mutex<Current>,
    /// Notified when a setting has changed that the maintenance of the table depends on.
    pub(crate) timeout_changed: Notify,
    /// What serves with them: set once, and gone when the server has ended.
    server: OnceLock<Weak<Shared>>,
}

#[derive(Debug)]
struct Current {
    config: Config,
    /// Whether the server shuts down: then every peer is read to the end.
    is_closing: bool,
}

/// What connections look at: on a cache line of its own, which only a change writes to.
#[derive(Debug)]
#[repr(align(64))]
struct Signals {
    /// Number of the settings, from 1.
    version: AtomicU32,
    is_await: AtomicBool,
    is_paused: AtomicBool,
}

/// What connections ask.
impl Settings {
    /// Number of the settings: another one after each change, and never 0.
    pub(crate) fn version(&self) -> u32 {
        self.signals.version.load(Relaxed)
    }

    /// Whether the policy is await.
    pub(crate) fn is_await(&self) -> bool {
        self.signals.is_await.load(Relaxed)
    }

    /// Whether nothing is read.
    pub(crate) fn is_paused(&self) -> bool {
        self.signals.is_paused.load(Relaxed)
    }

    /// The policy, and the number of the settings that it is from.
    pub(crate) fn policy(&self) -> (Policy, u32) {
        let current = self.current();
        (current.config.policy, self.version())
    }
}

/// What changes them.
impl Settings {
    pub(crate) fn new(config: Config) -> Settings {
        let signals = Signals {
            version: AtomicU32::new(1),
            is_await: AtomicBool::new(config.policy == Policy::Await),
            is_paused: AtomicBool::new(false),
        };
        Settings {
            signals,
            current: Mutex::new(Current { config, is_closing: false }),
            timeout_changed: Notify::new(),
            server: OnceLock::new(),
        }
    }

    /// The settings now.
    pub(crate) fn config(&self) -> Config {
        self.current().config.clone()
    }

    /// Changes settings as `change` does, if the result is valid. Wakes no connection.
    ///
    /// # Errors
    /// What is wrong with the result, which is not stored then.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Config)) -> Result<(), ConfigError> {
        let mut current = self.current();
        let mut changed = current.config.clone();
        change(&mut changed);
        changed.check()?;
        self.signals.is_await.store(changed.policy == Policy::Await, Relaxed);
        current.config = changed;
        // After 2^32 changes it would be 0.
        let next = self.version().checked_add(1).unwrap_or(1);
        self.signals.version.store(next, Relaxed);
        Ok(())
    }

    /// Stops or resumes all reading. Wakes no connection.
    pub(crate) fn set_paused(&self, paused: bool) {
        let current = self.current();
        self.signals.is_paused.store(paused && !current.is_closing, Relaxed);
    }

    /// Resumes all reading for good, since the server shuts down. Wakes no connection.
    pub(crate) fn end_pauses(&self) {
        self.current().is_closing = true;
        self.set_paused(false);
    }

    /// The server that uses them begins to serve.
    pub(crate) fn attach(&self, server: &Arc<Shared>) {
        // It is attached once, since serving consumes a server.
        let _ = self.server.set(Arc::downgrade(server));
    }

    /// The server, while it serves.
    pub(crate) fn server(&self) -> Option<Arc<Shared>> {
        self.server.get().and_then(Weak::upgrade)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // What is stored under this lock is complete after each statement.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
