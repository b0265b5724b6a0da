//! The steward: what is done once in a while for all connections together, so that none of them needs a timer.
//!
//! - **Timeouts**: each connection leaves a stamp when it makes progress, taken from a coarse clock; the steward walks the
//!   roster and ends those whose stamp is old. Precision is a quarter of the timeout.
//! - **Stats** are told.
//! - **Memory** that was freed in bulk is given back to the kernel.

use std::future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::event::Event;
use crate::memory::anonymous_memory;
use crate::roster::{Ending, Slot};
use crate::shared::Shared;
use crate::sys;
use crate::threads::room_for_a_thread;

/// Works until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::join!(sweep(&shared), tell_stats(&shared), give_memory_back(&shared));
}

/// Ends connections that have been idle, or owed bytes, for too long.
async fn sweep(shared: &Shared) {
    let timeouts = [shared.config.idle_timeout, shared.config.write_timeout];
    let Some(shortest) = timeouts.into_iter().flatten().min() else { return future::pending().await };
    let mut ticks = every((shortest / 4).clamp(FASTEST_SWEEP, SLOWEST_SWEEP));
    loop {
        ticks.tick().await;
        let now = shared.started().elapsed().as_millis() as u32;
        shared.clock.store(now, Relaxed);
        shared.roster.each(|slot| {
            if slot.is_taken() {
                look_at(slot, now, shared.config.idle_timeout, shared.config.write_timeout);
            }
        });
    }
}

fn look_at(slot: &Slot, now: u32, idle_timeout: Option<Duration>, write_timeout: Option<Duration>) {
    let (timeout, ending) = match slot.owes.load(Relaxed) {
        true => (write_timeout, Ending::WriteTimeout),
        false => (idle_timeout, Ending::IdleTimeout),
    };
    let Some(timeout) = timeout else { return };
    if ending == Ending::WriteTimeout && takes_bytes(slot) {
        slot.stamp.store(now, Relaxed);
    }
    // The clock goes round after 49 days; the difference is right across that. A stamp may be newer than `now`.
    let still_for = now.wrapping_sub(slot.stamp.load(Relaxed)) as i32;
    if still_for > 0 && u128::from(still_for.unsigned_abs()) >= timeout.as_millis() {
        slot.end(ending);
    }
}

/// Whether the peer's kernel has taken bytes since the last look. Our own writes do not tell: the kernel reports room for
/// more only when a third of its queue is free, which at a slow peer takes longer than any sensible timeout.
fn takes_bytes(slot: &Slot) -> bool {
    let Some(now) = slot.kernel_send_queue() else { return false };
    let before = slot.send_queue.swap(now, Relaxed);
    now < before
}

async fn tell_stats(shared: &Shared) {
    let Some(period) = shared.config.stats_every else { return future::pending().await };
    let mut ticks = every(period);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        (shared.tell)(Event::Stats(shared.stats()));
    }
}

/// Watches what the process has beyond what connections hold, and has the allocator give it back: when it has lain free for a
/// while, or at once when it is over the memory limit.
///
/// It is the process that is asked, since what is held does not tell: frames that grow leave the heap for mappings of their own,
/// and hold no less, while what they have left lies free.
async fn give_memory_back(shared: &Shared) {
    sys::keep_freed_memory();
    let (mut stays, mut lay_free) = (u64::MAX, false);
    loop {
        let Some(anonymous) = anonymous_memory() else { return future::pending().await };
        let connections = shared.roster.open() as u64 * A_CONNECTION;
        let free = anonymous.saturating_sub(shared.account.take_peak() + connections);
        stays = stays.min(free);
        let lies_free = free - stays >= WORTH_IT;
        let limit = shared.config.memory_limit;
        // Memory that was in use at the last look may be again at the next.
        if lies_free && (lay_free || anonymous > limit) {
            trim().await;
            // What could not be given back: the program's own, and what is left between live bytes.
            (stays, lay_free) = (u64::MAX, false);
            continue;
        }
        lay_free = lies_free;
        sleep(if anonymous > limit / 4 * 3 { SOON } else { MEMORY_LOOK }).await;
    }
}

/// Half a gigabyte takes tens of milliseconds, which no connection should wait for: so a thread of its own does it, if there
/// is one to be had. (tokio's would be waited for without end when there is none.)
async fn trim() {
    let (done, end) = tokio::sync::oneshot::channel::<()>();
    let thread = room_for_a_thread().and_then(|()| {
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

const FASTEST_SWEEP: Duration = Duration::from_millis(10);
const SLOWEST_SWEEP: Duration = Duration::from_secs(1);

/// How often to see whether memory can be given back: soon enough to be seen in a live display.
const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// How often near the memory limit: a look takes some 20 µs, and a peer may fill megabytes in the meantime.
const SOON: Duration = Duration::from_millis(25);

/// The fall in bytes at which giving back is worth the walk over the heap.
const WORTH_IT: u64 = 512 * 1024;

/// What an idle connection costs in bytes: its task, its socket's registration, its slot.
const A_CONNECTION: u64 = 1024;
