//! A runtime for a server, whose threads the system may refuse.

use std::io;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, Setting};
use crate::error::Error;
use crate::process::{check_thread_headroom, threads_now};
use crate::sys;

/// A runtime with `workers` threads (default: one per core), on which a server accepts, and a program does what else it does: one is
/// enough for a server, which starts the threads that serve itself ([`Config::workers`]). From this call on, all threads of the process
/// share one heap, so that its memory can be returned to the kernel after peers have left.
///
/// # Errors
/// If the number of threads is 0 or exceeds [`Config::MOST_WORKERS`], or the kernel provides no threads or no epoll.
pub fn runtime(workers: Option<usize>) -> Result<Runtime, Error> {
    sys::share_one_heap();
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(Config::MOST_WORKERS);
    let workers = workers.unwrap_or_else(cores);
    Setting::Workers.check_number(Some(workers as u64), Config::MOST_WORKERS as u64)?;
    try_threads(workers).map_err(|source| Error::Start { what: "runtime's threads", source })?;
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .thread_name("worker")
        .build()
        .map_err(|source: io::Error| Error::Start { what: "runtime", source })
}

/// Checks that `count` threads can run at the same time. The runtime panics when it cannot start one of its own, and then waits
/// forever for the others.
fn try_threads(count: usize) -> io::Result<()> {
    let before = threads_now();
    let gate = Mutex::new(());
    let tried = thread::scope(|scope| {
        // They wait at the gate, so that all exist at the same time.
        let closed = gate.lock();
        let start = |_| {
            check_thread_headroom()?;
            thread::Builder::new().spawn_scoped(scope, || drop(gate.lock()))
        };
        let mut threads = Vec::new();
        let tried = (0..count).try_for_each(|i| start(i).map(|thread| threads.push(thread)));
        drop(closed);
        // Joining frees their stacks, which the end of the scope would not.
        threads.into_iter().for_each(|thread| drop(thread.join()));
        tried
    });
    // The kernel counts a thread for a moment after it was joined, and then a thread of the runtime would be one too many.
    let deadline = Instant::now() + THREAD_EXIT_WAIT;
    while threads_now() > before && Instant::now() < deadline {
        thread::sleep(Duration::from_micros(100));
    }
    tried
}

/// How long the kernel may count threads that have been joined.
const THREAD_EXIT_WAIT: Duration = Duration::from_secs(1);
