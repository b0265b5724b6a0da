//! What the server does by itself: how its memory and disk grow before the audit has clients, and when the slow reader has gone.
//!
//! A server that fills a cache, compiles its code or keeps a journal grows beside any attack. What grows as fast without a client is
//! not its queue. What begins with a client and goes on after it is work that the client left behind.

use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::{Process, ProcessTree};
use echoctl_record::{self as record, Growth};

/// The growth of the server's processes without a slow reader.
#[derive(Debug, Default)]
pub(super) struct Background {
    tree: Option<ProcessTree>,
    began: Option<Usage>,
    before: Option<Growth>,
}

/// What the processes use at one time, in bytes.
#[derive(Debug, Clone, Copy)]
struct Usage {
    at: Instant,
    memory: u64,
    disk_written: u64,
}

impl Background {
    /// Watches these processes, and those that they start, for a moment in which they have no client of the audit.
    pub(super) fn of(roots: &[u32]) -> Background {
        let roots = roots.iter().copied().filter(|pid| Process::open(*pid).is_ok());
        let mut background = Background { tree: ProcessTree::new(roots).ok(), ..Background::default() };
        background.began = background.usage();
        if background.began.is_some() {
            thread::sleep(BEFORE);
            background.before = background.growth();
            background.began = None;
        }
        background
    }

    /// Watches the time after the slow reader. Returns whether that has lasted for long enough.
    pub(super) fn watch_aftermath(&mut self) -> bool {
        if self.began.is_none() {
            self.began = self.usage();
        }
        self.began.is_none_or(|began| began.at.elapsed() >= AFTERMATH)
    }

    /// What was seen before and after, if both were watched.
    pub(super) fn evidence(&mut self) -> Option<record::Background> {
        Some(record::Background { before: self.before?, after: self.growth()? })
    }

    fn usage(&mut self) -> Option<Usage> {
        let tree = self.tree.as_mut()?;
        tree.rescan();
        let reading = tree.read();
        let disk_written = reading.disk_written.unwrap_or(0);
        Some(Usage { at: Instant::now(), memory: reading.memory.total(), disk_written })
    }

    /// Growth since the watch began.
    fn growth(&mut self) -> Option<Growth> {
        let (began, now) = (self.began?, self.usage()?);
        Some(Growth {
            seconds: now.at.duration_since(began.at).as_secs_f64(),
            memory: now.memory.saturating_sub(began.memory),
            disk: now.disk_written.saturating_sub(began.disk_written),
        })
    }
}

/// How long the server is watched before it has a client: each audit takes as much longer, and work that matters shows in less.
const BEFORE: Duration = Duration::from_millis(200);

/// How long the server is watched when the slow reader has gone.
const AFTERMATH: Duration = Duration::from_millis(1500);
