//! Work that is done at intervals for all connections together.
//!
//! - Connections that exceed a limit are closed (see [`Reaper`]).
//! - [`Stats`](Event::Stats) are emitted.
//! - Memory that was freed in bulk is returned to the kernel.
//! - Workers that have too much to do hand over connections (see [`Balance`]).

use std::future;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::event::Event;
use crate::io::places::{Balance, Places};
use crate::process::{anonymous_memory, start_thread};
use crate::sys;
use crate::table::Shared;
use crate::table::reaper::Reaper;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::join!(
        reap(&shared),
        emit_stats(&shared),
        return_free_memory(&shared),
        balance(shared.places.clone())
    );
}

/// Advances the server's clock, and closes the connections that exceed a limit.
async fn reap(shared: &Shared) {
    let mut reaper = Reaper::new(shared.config.clone());
    loop {
        reaper.follow(&shared.settings);
        let changed = shared.settings.timeout_changed.notified();
        match reaper.interval() {
            // Either way it is time to look.
            Some(interval) => drop(timeout(interval, changed).await),
            None => changed.await,
        }
        reaper.follow(&shared.settings);
        reaper.sweep(&shared.table, shared.tick());
    }
}

async fn emit_stats(shared: &Shared) {
    let Some(period) = shared.config.stats_every else { return future::pending().await };
    let mut ticks = every(period);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        (shared.emit)(Event::Stats(shared.stats()));
    }
}

/// Compares the memory of the process with what its connections buffer, and has the allocator return the difference: after it
/// was free for two looks, or immediately when the process exceeds the memory limit.
///
/// The buffered bytes do not show what is free. A frame that grows moves from the heap to a mapping of its own: it buffers no
/// less, but the memory it occupied before becomes free.
async fn return_free_memory(shared: &Shared) {
    sys::retain_freed_memory();
    let (mut baseline, mut was_free) = (u64::MAX, false);
    loop {
        let Some(anonymous) = anonymous_memory() else { return future::pending().await };
        let connections = shared.table.open() as u64;
        let in_use = shared.account.take_peak() + connections * IDLE_CONNECTION_BYTES;
        let free = anonymous.saturating_sub(in_use);
        baseline = baseline.min(free);
        let threshold = if connections > 0 { TRIM_THRESHOLD } else { TRIM_THRESHOLD_IDLE };
        let is_free = free - baseline >= threshold;
        let limit = shared.account.limit();
        // Memory that was in use at the last look may be in use again at the next.
        if is_free && (was_free || anonymous > limit) {
            trim().await;
            // The new baseline is what could not be returned: the program's own memory, and gaps between live blocks.
            (baseline, was_free) = (u64::MAX, false);
            continue;
        }
        was_free = is_free;
        sleep(if anonymous > limit / 4 * 3 { TRIM_INTERVAL_NEAR_LIMIT } else { TRIM_INTERVAL }).await;
    }
}

/// Half a gigabyte takes tens of milliseconds, which no connection should wait for, so a separate thread does it, if one can
/// be started. (tokio's `spawn_blocking` would wait forever where none can.)
async fn trim() {
    let (done, end) = tokio::sync::oneshot::channel::<()>();
    let thread = start_thread(Builder::new().name("trim".to_owned()), move || {
        sys::trim_memory();
        drop(done);
    });
    if thread.is_ok() {
        // Nothing is ever sent: the channel closes when the thread exits.
        let _ = end.await;
    }
}

/// Has workers that have too much to do hand over connections.
async fn balance(places: Arc<Places>) {
    let Some(mut balance) = Balance::of(places) else { return };
    let mut ticks = every(Balance::INTERVAL);
    loop {
        ticks.tick().await;
        balance.compare();
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// How often to look for memory to return: often enough for a live display to show it.
const TRIM_INTERVAL: Duration = Duration::from_millis(250);

/// How often near the memory limit: a look takes some 20 µs, and a peer may fill megabytes between two.
const TRIM_INTERVAL_NEAR_LIMIT: Duration = Duration::from_millis(25);

/// Free bytes that are worth a walk over the heap, and memory that has to be requested again.
const TRIM_THRESHOLD: u64 = 512 * 1024;

/// The same while no connection is open: what a crowd leaves whose first part was returned before its last.
const TRIM_THRESHOLD_IDLE: u64 = 64 * 1024;

/// Bytes that an idle connection costs: its task, the registration of its socket, its entry.
const IDLE_CONNECTION_BYTES: u64 = 1024;
