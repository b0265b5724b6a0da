//! Starts a thread, and returns an error if the system refuses it, where [`std::thread::spawn`] panics.
//!
//! Threads are refused because of RLIMIT_NPROC, the pids control group, or RLIMIT_AS, since each has a stack. The
//! standard library also allocates a signal stack for each new thread, and aborts the process if that fails. So the
//! memory is checked first.

use std::io;
use std::thread::{Builder, JoinHandle};

use crate::Error;

/// Runs `work` on a new thread with this name (Linux shows 15 characters of it).
///
/// # Errors
/// [`Error::NoThread`] if the system refuses a thread, or has no memory for one.
pub fn start_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    check_memory().and_then(|()| Builder::new().name(name.to_owned()).spawn(work)).map_err(Error::NoThread)
}

/// Checks that there is memory for a thread. It touches none of it, so it costs two system calls.
fn check_memory() -> io::Result<()> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(ROOM)?;
    // Prevents the compiler from removing the unused allocation.
    std::hint::black_box(&room);
    Ok(())
}

/// Bytes of address space: a stack (2 MiB), a signal stack, and what other new threads may still allocate.
const ROOM: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_thread_runs() {
        assert_eq!(start_thread("seven", || 7).unwrap().join().unwrap(), 7);
    }
}
