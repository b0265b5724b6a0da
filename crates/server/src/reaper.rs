//! The reaper: what is done once in a while for all connections together, so that none of them needs a timer.
//!
//! - **Timeouts**: each connection leaves a last_progress when it makes progress, taken from a coarse clock; the reaper walks the
//!   table and ends those whose last_progress is old. Precision is a quarter of the timeout.
//! - **Stats** are told.
//! - **Memory** that was freed in bulk is given back to the kernel.

use std::future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::connection_table::{CloseCause, Entry};
use crate::event::Event;
use crate::memory::anonymous_memory;
use crate::shared::Shared;
use crate::sys;
use crate::threads::check_thread_headroom;

/// Works until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::join!(sweep(&shared), emit_stats(&shared), return_free_memory(&shared));
}

/// Ends connections that have been idle, or owed bytes, for too long.
async fn sweep(shared: &Shared) {
    let timeouts = [shared.config.idle_timeout, shared.config.write_timeout];
    let Some(shortest) = timeouts.into_iter().flatten().min() else { return future::pending().await };
    let mut ticks = every((shortest / 4).clamp(MIN_SWEEP_INTERVAL, MAX_SWEEP_INTERVAL));
    loop {
        ticks.tick().await;
        let now = shared.started().elapsed().as_millis() as u32;
        shared.clock.store(now, Relaxed);
        shared.table.for_each(|entry| {
            if entry.is_open() {
                check_timeouts(entry, now, shared.config.idle_timeout, shared.config.write_timeout);
            }
        });
    }
}

fn check_timeouts(entry: &Entry, now: u32, idle_timeout: Option<Duration>, write_timeout: Option<Duration>) {
    let (timeout, cause) = match entry.has_pending_output.load(Relaxed) {
        true => (write_timeout, CloseCause::WriteTimeout),
        false => (idle_timeout, CloseCause::IdleTimeout),
    };
    let Some(timeout) = timeout else { return };
    if cause == CloseCause::WriteTimeout && acknowledges_bytes(entry) {
        entry.last_progress.store(now, Relaxed);
    }
    // The clock goes round after 49 days; the difference is right across that. A last_progress may be newer than `now`.
    let stalled_for = now.wrapping_sub(entry.last_progress.load(Relaxed)) as i32;
    if stalled_for > 0 && u128::from(stalled_for.unsigned_abs()) >= timeout.as_millis() {
        entry.close(cause);
    }
}

/// Whether the peer's kernel has taken bytes since the last look. Our own writes do not tell: the kernel reports room for
/// more only when a third of its queue is free, which at a slow peer takes longer than any sensible timeout.
fn acknowledges_bytes(entry: &Entry) -> bool {
    let Some(now) = entry.kernel_send_queue() else { return false };
    let before = entry.send_queue.swap(now, Relaxed);
    now < before
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

/// Watches what the process has beyond what connections hold, and has the allocator give it back: when it has lain free for a
/// while, or at once when it is over the memory limit.
///
/// It is the process that is asked, since what is held does not tell: frames that grow leave the heap for mappings of their own,
/// and hold no less, while what they have left lies free.
async fn return_free_memory(shared: &Shared) {
    sys::retain_freed_memory();
    let (mut baseline, mut was_free) = (u64::MAX, false);
    loop {
        let Some(anonymous) = anonymous_memory() else { return future::pending().await };
        let connections = shared.table.open() as u64 * IDLE_CONNECTION_BYTES;
        let free = anonymous.saturating_sub(shared.account.take_peak() + connections);
        baseline = baseline.min(free);
        let is_free = free - baseline >= TRIM_THRESHOLD;
        let limit = shared.config.memory_limit;
        // Memory that was in use at the last look may be again at the next.
        if is_free && (was_free || anonymous > limit) {
            trim().await;
            // What could not be given back: the program's own, and what is left between live bytes.
            (baseline, was_free) = (u64::MAX, false);
            continue;
        }
        was_free = is_free;
        sleep(if anonymous > limit / 4 * 3 { TRIM_INTERVAL_NEAR_LIMIT } else { TRIM_INTERVAL }).await;
    }
}

/// Half a gigabyte takes tens of milliseconds, which no connection should wait for: so a thread of its own does it, if there
/// is one to be had. (tokio's would be waited for without end when there is none.)
async fn trim() {
    let (done, end) = tokio::sync::oneshot::channel::<()>();
    let thread = check_thread_headroom().and_then(|()| {
        thread::Builder::new().name("trim".to_owned()).spawn(move || {
            sys::trim_memory();
            drop(done);
        })
    });
    if thread.is_ok() {
        // Nothing is ever sent: the channel closes when the thread is done.
        let _ = end.await;
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(10);
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How often to see whether memory can be given back: soon enough to be seen in a live display.
const TRIM_INTERVAL: Duration = Duration::from_millis(250);

/// How often near the memory limit: a look takes some 20 µs, and a peer may fill megabytes in the meantime.
const TRIM_INTERVAL_NEAR_LIMIT: Duration = Duration::from_millis(25);

/// The fall in bytes at which giving back is worth the walk over the heap.
const TRIM_THRESHOLD: u64 = 512 * 1024;

/// What an idle connection costs in bytes: its task, its socket's registration, its entry.
const IDLE_CONNECTION_BYTES: u64 = 1024;
