//! Memory: what this process has, and what it may have. (What its sockets have in the kernel: see `sys`.)
//!
//! Where a system does not show a figure the answer is `None`, not a guess.

use std::fs;
use std::path::Path;

/// Bytes of anonymous memory of this process that are in RAM: heap and stacks, without the program's own text.
pub fn anonymous_memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    Some(resident.saturating_sub(shared) * PAGE)
}

/// The memory limit where none is given: a quarter of the memory available to this process, and at most 1 GiB.
///
/// "Available" is what the machine could give without swapping, and what the process's cgroup still allows. Where neither
/// is visible it is 1 GiB.
pub fn default_memory_limit() -> u64 {
    let available = [machine_available(), cgroup_available()].into_iter().flatten().min();
    available.map_or(MOST, |bytes| (bytes / 4).clamp(LEAST, MOST))
}

fn machine_available() -> Option<u64> {
    available_kib(&fs::read_to_string("/proc/meminfo").ok()?).map(|kib| kib * 1024)
}

/// What the cgroup (version 2) and those above it still allow: the least of them.
fn cgroup_available() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    root.join(own).ancestors().take_while(|group| group.starts_with(root)).filter_map(left_in).min()
}

fn left_in(group: &Path) -> Option<u64> {
    let number = |name| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    // Without a limit the file says "max", which is no number.
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

fn available_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Bytes of a page in the kernel's own counts. Other sizes exist (16 KiB and 64 KiB on some ARM machines); there the
/// figure, which is shown and not acted upon, comes out too small.
const PAGE: u64 = 4096;

/// The most that the default limit comes to, in bytes.
const MOST: u64 = 1 << 30;

/// The least that the default limit comes to: below this even a demonstration has no room.
const LEAST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(available_kib("MemTotal:  100 kB\nMemAvailable:   24282112 kB\n"), Some(24_282_112));
        assert_eq!(available_kib("MemTotal:  100 kB\n"), None);
    }

    #[test]
    fn the_default_limit_lies_between_its_bounds() {
        assert!((LEAST..=MOST).contains(&default_memory_limit()));
    }
}
