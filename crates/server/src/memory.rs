//! The memory of this process. (What its sockets have in the kernel: see `sys`.)
//!
//! Where a system does not show it the answer is `None`, not a guess.

use std::collections::TryReserveError;
use std::fs;

/// Bytes of anonymous memory of this process that are in RAM: heap and stacks, without the program's own text.
pub fn anonymous_memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    Some(resident.saturating_sub(shared) * PAGE)
}

/// Whether the system would still give `bytes` of memory, for what cannot be told that it does not: a small allocation that
/// fails aborts the process, so none is begun with the last of it. Nothing is touched, so it costs two system calls at most.
///
/// # Errors
/// When it would not.
pub(crate) fn check_available(bytes: usize) -> Result<(), TryReserveError> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(bytes)?;
    // Otherwise the compiler would see that nobody uses it, and not ask for it.
    std::hint::black_box(&room);
    Ok(())
}

/// Bytes that must be left when a connection's buffers grow: for the small things that others may need meanwhile, and less
/// than what the allocator takes from the system, so that it costs no system call.
pub(crate) const GROWTH_HEADROOM: usize = 96 * 1024;

/// Bytes of a page in the kernel's own counts. Other sizes exist (16 KiB and 64 KiB on some ARM machines); there the
/// figure, which is shown and not acted upon, comes out too small.
const PAGE: u64 = 4096;
