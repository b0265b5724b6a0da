//! The places of connections: a bounded number, and when all are taken the one that has been quiet for longest is given up.
//!
//! So nobody who connects and says nothing keeps others out, however many of them there are: RFC 7766, section 6.2.3, lets
//! a server close idle connections whenever it is short of them. Quiet is measured from the last query that was answered,
//! not from the last byte: a byte a second is no sign of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The connections that are served.
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

    /// For a connection that begins now.
    pub(super) fn last_answer(&self) -> LastAnswer {
        let last_answer = LastAnswer { began: self.began, at: Arc::default() };
        last_answer.now();
        last_answer
    }

    /// Takes a place for a connection. Where all are taken, the quietest connection is closed.
    pub(super) fn insert(&mut self, connection: AbortHandle, last_answer: LastAnswer) {
        self.entries.retain(|entry| !entry.connection.is_finished());
        if self.entries.len() >= self.max {
            self.close_quietest();
        }
        self.entries.push(Entry { connection, last_answer });
    }

    /// Closes the connection that has been quiet for longest. Returns whether there was one.
    pub(super) fn close_quietest(&mut self) -> bool {
        self.entries.retain(|entry| !entry.connection.is_finished());
        let quietest =
            self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.last_answer.at.load(Relaxed));
        let Some((at, _)) = quietest else { return false };
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

/// When a connection was last answered.
#[derive(Debug, Clone)]
pub(super) struct LastAnswer {
    began: Instant,
    /// Microseconds since the beginning: as a number it can be read without a lock.
    at: Arc<AtomicU64>,
}

impl LastAnswer {
    /// It is answered now.
    pub(super) fn now(&self) {
        self.at.store(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}
