//! Memory available to a process, and the share of it that serves as the default memory limit.
//!
//! It is the smallest of all bounds at which an allocation ends badly:
//!
//! | bound | source | effect |
//! |---|---|---|
//! | the control group, both versions, every level | [`Cgroup`] | the kernel kills a process of the group |
//! | RLIMIT_AS less the address space | `/proc/PID/limits`, `VmSize` of `/proc/PID/status` | an allocation fails |
//! | RLIMIT_DATA less private memory | the same, `VmData` | an allocation fails |
//! | memory of the machine | `MemAvailable` of `/proc/meminfo` | the kernel kills a process |
//! | committed memory, with `vm.overcommit_memory` 2 | `CommitLimit` less `Committed_AS` | an allocation fails |
//!
//! References: getrlimit(2), proc_pid_status(5), proc_meminfo(5), the kernel's `mm/overcommit-accounting.rst`.

use std::fmt;

use echoctl_record::Bytes;

use super::{Cgroup, kibibytes, sysctl};
use crate::proc_file::{labelled, read_text};

/// Memory that this process can still allocate, in bytes: the smallest of what its control groups, its resource
/// limits and the machine have left. Windows shows what the machine has left; `None` if nothing is visible (macOS).
pub fn available_memory() -> Option<u64> {
    let own = std::process::id();
    min_known([machine(), Cgroup::own().and_then(|group| group.available), resource_limits(own)])
}

/// The same for another process, as far as it is visible.
pub(crate) fn available_memory_of(pid: u32) -> Option<u64> {
    min_known([machine(), Cgroup::of(pid).and_then(|group| group.available), resource_limits(pid)])
}

/// The default memory limit: a quarter of the available memory, at least 16 MiB and at most 1 GiB.
///
/// A quarter, since the limit counts only payload: growing buffers, allocators and kernel queues add to it, and other
/// programs of the group use the same memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryShare {
    /// The limit, in bytes.
    pub limit: u64,
    /// The available memory, in bytes; `None` if it is not visible or the limit is fixed.
    pub available: Option<u64>,
}

impl MemoryShare {
    /// A share of the memory available to this process.
    pub fn own() -> MemoryShare {
        MemoryShare::of_available(available_memory())
    }

    /// A share of the memory available to this process and to each of `pids`, for a limit on a server's memory: it
    /// may run in a smaller container than its client.
    pub fn with(pids: &[u32]) -> MemoryShare {
        let theirs = pids.iter().filter_map(|&pid| available_memory_of(pid));
        MemoryShare::of_available(theirs.chain(available_memory()).min())
    }

    /// A fixed limit, regardless of the available memory.
    pub fn fixed(limit: u64) -> MemoryShare {
        MemoryShare { limit, available: None }
    }

    /// A share of this much memory, in bytes.
    fn of_available(available: Option<u64>) -> MemoryShare {
        MemoryShare {
            limit: available.map_or(MAX_SHARE, |bytes| (bytes / 4).clamp(MIN_SHARE, MAX_SHARE)),
            available,
        }
    }

    /// Whether so little memory is available that the limit itself may not fit.
    pub fn is_scarce(&self) -> bool {
        self.available.is_some_and(|bytes| bytes < SCARCE_MEMORY)
    }
}

/// The limit and its reason: `75 MiB, a quarter of the 300 MiB left`.
impl fmt::Display for MemoryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = Bytes(self.limit);
        match self.available.map(Bytes) {
            Some(left) if self.is_scarce() => write!(f, "{limit}, although only {left} is left"),
            Some(left) if self.limit < MAX_SHARE => write!(f, "{limit}, a quarter of the {left} left"),
            _ => write!(f, "{limit}"),
        }
    }
}

fn min_known<const N: usize>(bounds: [Option<u64>; N]) -> Option<u64> {
    bounds.into_iter().flatten().min()
}

/// What the machine has left.
fn machine() -> Option<u64> {
    #[cfg(windows)]
    let reported = crate::sys::memory_left();
    #[cfg(not(windows))]
    let reported = None;
    min_known([reported, meminfo_available()])
}

/// The same on Linux; `None` without `/proc`.
fn meminfo_available() -> Option<u64> {
    let meminfo = read_text("/proc/meminfo")?;
    let available = kibibytes(&meminfo, "MemAvailable:");
    let is_strict = sysctl("vm.overcommit_memory").is_some_and(|mode| mode == "2");
    let uncommitted = if is_strict { uncommitted(&meminfo) } else { None };
    min_known([available, uncommitted])
}

/// Memory that may still be committed, from `/proc/meminfo`.
fn uncommitted(meminfo: &str) -> Option<u64> {
    Some(kibibytes(meminfo, "CommitLimit:")?.saturating_sub(kibibytes(meminfo, "Committed_AS:")?))
}

/// What the resource limits of a process leave.
fn resource_limits(pid: u32) -> Option<u64> {
    let limits = read_text(format!("/proc/{pid}/limits"))?;
    let status = read_text(format!("/proc/{pid}/status")).unwrap_or_default();
    available_by_limits(&limits, &status)
}

/// The same, from the text of `limits` and `status`.
fn available_by_limits(limits: &str, status: &str) -> Option<u64> {
    // A line of `limits` is `name  soft  hard  unit`. A soft limit may be `unlimited`, which is not a number.
    let left = |limit: &str, used: &str| {
        Some(labelled(limits, limit)?.saturating_sub(kibibytes(status, used).unwrap_or(0)))
    };
    min_known([left("Max address space ", "VmSize:"), left("Max data size ", "VmData:")])
}

/// Checks the promises for any text: what is left does not exceed the limit.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(limits: &str, status: &str) {
    let limit = min_known([labelled(limits, "Max address space "), labelled(limits, "Max data size ")]);
    assert!(available_by_limits(limits, status) <= limit);
    assert!(uncommitted(limits) <= kibibytes(limits, "CommitLimit:"));
}

/// Maximum of a share, in bytes: many times the kernel buffering of one connection, which it must exceed, and
/// harmless on a machine with four times as much memory.
const MAX_SHARE: u64 = 1 << 30;

/// Minimum of a share, in bytes: with less, even a demonstration has no room.
const MIN_SHARE: u64 = 16 << 20;

/// Bytes of available memory of which the minimum is a quarter.
const SCARCE_MEMORY: u64 = 4 * MIN_SHARE;

#[cfg(test)]
mod tests {
    use super::*;

    // Captured on Linux 6.18 after `ulimit -Sv 600000; ulimit -d 400000`.
    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max data size             409600000            409600000            bytes     \n\
Max stack size            8388608              unlimited            bytes     \n\
Max address space         614400000            unlimited            bytes     \n";
    const STATUS: &str = "Name:\tserver\nVmPeak:\t   90000 kB\nVmSize:\t  100000 kB\nVmData:\t   40000 kB\n";

    #[test]
    fn resource_limits_leave_their_unused_part() {
        let unlimited = "Max address space         unlimited            unlimited            bytes     \n";

        assert_eq!(available_by_limits(LIMITS, STATUS), Some(409_600_000 - 40_000 * 1024));
        assert_eq!(available_by_limits(LIMITS, "VmSize: 590000 kB\n"), Some(614_400_000 - 590_000 * 1024));
        assert_eq!(available_by_limits(LIMITS, "VmSize: 900000 kB\n"), Some(0), "the limit was set later");
        assert_eq!(available_by_limits(LIMITS, ""), Some(409_600_000), "a process whose memory is hidden");
        assert_eq!(available_by_limits(unlimited, STATUS), None);
        assert_eq!(available_by_limits("", STATUS), None);
    }

    #[test]
    fn strict_overcommit_leaves_uncommitted_memory() {
        let meminfo = "CommitLimit:    1000 kB\nCommitted_AS:    400 kB\n";

        assert_eq!(uncommitted(meminfo), Some(600 * 1024));
        assert_eq!(uncommitted("CommitLimit:    1000 kB\nCommitted_AS:   1400 kB\n"), Some(0));
        assert_eq!(uncommitted("CommitLimit:    1000 kB\n"), None);
    }

    #[test]
    fn a_share_is_a_quarter_within_its_bounds() {
        let share = |left| MemoryShare::of_available(left).limit;

        assert_eq!(share(Some(300 << 20)), 75 << 20);
        assert_eq!(share(Some(1 << 40)), 1 << 30);
        assert_eq!(share(Some(0)), 16 << 20);
        assert_eq!(share(None), 1 << 30);
    }

    #[test]
    fn a_share_is_printed_with_its_reason() {
        let text = |left| MemoryShare::of_available(left).to_string();

        assert_eq!(text(Some(300 << 20)), "75 MiB, a quarter of the 300 MiB left");
        assert_eq!(text(Some(40 << 20)), "16 MiB, although only 40 MiB is left");
        assert_eq!(text(Some(1 << 40)), "1 GiB");
        assert_eq!(text(None), "1 GiB");
        assert_eq!(MemoryShare::fixed(40 << 20).to_string(), "40 MiB");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn available_memory_is_less_than_the_machine_has() {
        let own = available_memory().unwrap();

        assert!(own < crate::machine().memory.unwrap());
        assert!(available_memory_of(std::process::id()).is_some());
        let share = MemoryShare::with(&[std::process::id(), u32::MAX]);
        assert!(share.available.is_some_and(|left| left < crate::machine().memory.unwrap()), "{share:?}");
    }
}
