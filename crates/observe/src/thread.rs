//! Starts a thread, which the system may refuse: with an error, where [`std::thread::spawn`] panics.
//!
//! Threads are refused by RLIMIT_NPROC, by the pids control group, and by RLIMIT_AS, since each has a stack. The standard
//! library also gives each new thread a signal stack, and aborts the process where there is no memory for that: so the
//! memory is looked at first.

use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::Error;

/// Runs `work` on a thread of its own with this name (Linux shows 15 characters of it).
///
/// # Errors
/// [`Error::NoThread`] when the system gives no thread, or no memory for one.
pub fn start_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    check_memory().and_then(|()| Builder::new().name(name.to_owned()).spawn(work)).map_err(Error::NoThread)
}

/// The same for a thread that ends with `scope`.
///
/// # Errors
/// As [`start_thread`].
pub(crate) fn start_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Error> {
    check_memory().and_then(|()| Builder::new().spawn_scoped(scope, work)).map_err(Error::NoThread)
}

/// Whether there is memory for a thread. Nothing is touched, so it costs two system calls.
fn check_memory() -> io::Result<()> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(ROOM)?;
    // Otherwise the compiler would see that nothing uses it, and not ask for it.
    std::hint::black_box(&room);
    Ok(())
}

/// Bytes of address space: a stack (2 MiB), a signal stack, and what other threads that were just started may still take.
const ROOM: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_the_system_gives_runs() {
        assert_eq!(start_thread("seven", || 7).unwrap().join().unwrap(), 7);
        assert_eq!(std::thread::scope(|scope| start_scoped(scope, || 8).unwrap().join().unwrap()), 8);
    }
}
