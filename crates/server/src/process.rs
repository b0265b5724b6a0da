//! Memory and threads of this process. (For the kernel memory of its sockets see `sys`.)
//!
//! Where a system does not show it, the answer is `None`, not a guess.

use std::collections::TryReserveError;
use std::sync::{Mutex, mpsc};
use std::thread::{Builder, JoinHandle};
use std::{fs, io};

/// Anonymous memory of this process in RAM, in bytes: heap and stacks, without the program's code.
pub(crate) fn anonymous_memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    Some(resident.saturating_sub(shared) * PAGE)
}

/// Number of threads that the kernel counts for this process; 0 where that is not visible.
pub(crate) fn threads_now() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Checks that the system still has `bytes` of memory, for code that cannot handle a failed allocation: a small one that fails
/// aborts the process, so work stops before memory is used up. Nothing is touched, so it costs at most two system calls.
///
/// # Errors
/// If it does not.
pub(crate) fn check_available(bytes: usize) -> Result<(), TryReserveError> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(bytes)?;
    // Otherwise the compiler would see that it is unused, and omit the allocation.
    std::hint::black_box(&room);
    Ok(())
}

/// Bytes that must be available when a connection's buffers grow: for small allocations of other connections at the same time, and
/// less than what the allocator requests from the system, so that the check costs no system call.
pub(crate) const GROWTH_HEADROOM: usize = 96 * 1024;

/// Starts a thread if there is address space for it, and returns once it runs. One at a time: the check of another start would take
/// the space for a moment that this one has found.
///
/// # Errors
/// If the system refuses it. `run` is dropped then.
pub(crate) fn start_thread(
    thread: Builder,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock();
    check_thread_headroom()?;
    let (starting, started) = mpsc::sync_channel::<()>(0);
    let thread = thread.spawn(move || {
        drop(starting);
        run();
    })?;
    // Nothing is ever sent: the channel closes when the thread runs.
    let _ = started.recv();
    Ok(thread)
}

/// Checks that there is address space for a thread, and some more.
///
/// The standard library allocates a signal stack for each new thread, and aborts the process if there is no memory for it, so a
/// thread must not be started with the last of it.
///
/// # Errors
/// If there is not enough.
pub(crate) fn check_thread_headroom() -> io::Result<()> {
    Ok(check_available(THREAD_HEADROOM)?)
}

/// Bytes of address space: a stack (2 MiB by default), a signal stack, and what other threads may allocate in the meantime. They
/// are not touched, so the check costs two system calls.
const THREAD_HEADROOM: usize = 4 << 20;

/// Bytes of a page in the kernel's counts. Other sizes exist (16 KiB and 64 KiB on some ARM machines); there the figure, which
/// limits nothing, is too small.
const PAGE: u64 = 4096;
