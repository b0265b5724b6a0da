//! Limits the number of open connections: at the limit, a new connection replaces the one that has been idle longest.
//!
//! So silent clients cannot keep others out, however many they are. RFC 7766, section 6.2.3, allows a server to close idle
//! connections when its resources are low. Idle time counts from the last query that was answered, not from the last byte: a
//! client that sends one byte per second is idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The open connections. Dropping it closes all of them.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    began: Instant,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    connection: AbortHandle,
    last_answer: LastAnswer,
}

impl Connections {
    pub(super) fn new(max: usize) -> Connections {
        Connections { max, began: Instant::now(), entries: Vec::new() }
    }

    /// The time of last activity for a new connection: now.
    pub(super) fn last_answer(&self) -> LastAnswer {
        let last_answer = LastAnswer { began: self.began, at: Arc::default() };
        last_answer.update();
        last_answer
    }

    /// Adds a connection. At the limit, closes the one that has been idle longest.
    pub(super) fn insert(&mut self, connection: AbortHandle, last_answer: LastAnswer) {
        self.entries.retain(|entry| !entry.connection.is_finished());
        if self.entries.len() >= self.max {
            self.close_longest_idle();
        }
        self.entries.push(Entry { connection, last_answer });
    }

    /// Closes the connection that has been idle longest. Returns whether there was one.
    pub(super) fn close_longest_idle(&mut self) -> bool {
        self.entries.retain(|entry| !entry.connection.is_finished());
        let longest_idle =
            self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.last_answer.at.load(Relaxed));
        let Some((at, _)) = longest_idle else { return false };
        self.entries.swap_remove(at).connection.abort();
        true
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for entry in &self.entries {
            entry.connection.abort();
        }
    }
}

/// The time at which a connection was last answered.
#[derive(Debug, Clone)]
pub(super) struct LastAnswer {
    began: Instant,
    /// Microseconds since the start: a number can be read without a lock.
    at: Arc<AtomicU64>,
}

impl LastAnswer {
    /// Sets it to the current time.
    pub(super) fn update(&self) {
        self.at.store(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}
