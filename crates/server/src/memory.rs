//! The memory of this process. (What its sockets have in the kernel: see `sys`.)
//!
//! Where a system does not show it the answer is `None`, not a guess.

use std::fs;

/// Bytes of anonymous memory of this process that are in RAM: heap and stacks, without the program's own text.
pub fn anonymous_memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    Some(resident.saturating_sub(shared) * PAGE)
}

/// Bytes of a page in the kernel's own counts. Other sizes exist (16 KiB and 64 KiB on some ARM machines); there the
/// figure, which is shown and not acted upon, comes out too small.
const PAGE: u64 = 4096;
