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
pub(super) struct Places {
    most: usize,
    began: Instant,
    taken: Vec<Taken>,
}

#[derive(Debug)]
struct Taken {
    connection: AbortHandle,
    heard: Heard,
}

impl Places {
    pub(super) fn new(most: usize) -> Places {
        Places { most, began: Instant::now(), taken: Vec::new() }
    }

    /// For a connection that begins now.
    pub(super) fn heard(&self) -> Heard {
        let heard = Heard { began: self.began, at: Arc::default() };
        heard.now();
        heard
    }

    /// Takes a place for a connection. Where all are taken, the quietest connection is closed.
    pub(super) fn take(&mut self, connection: AbortHandle, heard: Heard) {
        self.taken.retain(|taken| !taken.connection.is_finished());
        if self.taken.len() >= self.most {
            self.give_up_quietest();
        }
        self.taken.push(Taken { connection, heard });
    }

    /// Closes the connection that has been quiet for longest. Returns whether there was one.
    pub(super) fn give_up_quietest(&mut self) -> bool {
        self.taken.retain(|taken| !taken.connection.is_finished());
        let quietest = self.taken.iter().enumerate().min_by_key(|(_, taken)| taken.heard.at.load(Relaxed));
        let Some((at, _)) = quietest else { return false };
        self.taken.swap_remove(at).connection.abort();
        true
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for taken in &self.taken {
            taken.connection.abort();
        }
    }
}

/// When a connection was last answered.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    began: Instant,
    /// Microseconds since the beginning: as a number it can be read without a lock.
    at: Arc<AtomicU64>,
}

impl Heard {
    /// It is answered now.
    pub(super) fn now(&self) {
        self.at.store(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}
