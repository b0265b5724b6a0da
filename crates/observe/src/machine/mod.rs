//! Describes this machine: kernel settings that decide how much a connection buffers, and the memory that TCP uses.

mod available;
mod cgroup;
mod loopback;
mod queue_limits;

use std::collections::BTreeMap;

use echoctl_record::Machine;

use crate::proc_file::{labelled, read_text};
use crate::sys;

pub use available::{MemoryShare, available_memory};
pub use cgroup::Cgroup;
pub use loopback::loopback;
pub use queue_limits::{KernelBuffering, QueueLimits, SysctlRange};

/// Kernel memory of TCP, over all sockets of the host, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpMemory {
    /// Memory in use.
    pub used: u64,
    /// The threshold above which the kernel shrinks all queues.
    pub pressure: u64,
    /// The maximum.
    pub max: u64,
    /// Number of TCP sockets in use on the host.
    pub sockets: u64,
}

impl TcpMemory {
    /// Memory in use by all sockets of the host now, in bytes. In a network namespace other than the host's, where the limits are
    /// not visible, this still is.
    pub fn used_now() -> Option<u64> {
        let (_, pages) = tcp_of_sockstat(&read_text("/proc/net/sockstat")?)?;
        Some(pages.saturating_mul(sys::page_size()))
    }

    /// That of this host now; `None` if it is not visible.
    pub fn now() -> Option<TcpMemory> {
        let limits = SysctlRange::here("net.ipv4.tcp_mem")?;
        let stat = read_text("/proc/net/sockstat")?;
        let (sockets, pages) = tcp_of_sockstat(&stat)?;
        let page = sys::page_size();
        let bytes = |pages: u64| pages.saturating_mul(page);
        Some(TcpMemory {
            used: bytes(pages),
            pressure: bytes(limits.default),
            max: bytes(limits.max),
            sockets,
        })
    }

    /// Memory in use as a fraction of the pressure threshold. Above 0.5, measurements of many connections are
    /// unreliable; above 1 the kernel shrinks queues.
    pub fn utilization(&self) -> f64 {
        self.used as f64 / self.pressure.max(1) as f64
    }
}

/// Describes this machine, for a recording.
pub fn machine() -> Machine {
    let sysctls: BTreeMap<String, String> =
        SYSCTLS.iter().filter_map(|&name| Some((name.to_owned(), sysctl(name)?))).collect();
    Machine {
        system: std::env::consts::OS.to_owned(),
        kernel: sysctl("kernel.osrelease"),
        architecture: std::env::consts::ARCH.to_owned(),
        processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        memory: read_text("/proc/meminfo").and_then(|meminfo| kibibytes(&meminfo, "MemTotal:")),
        sysctls,
        kernel_buffering: QueueLimits::here().map(|limits| KernelBuffering::new(&limits).total()),
    }
}

/// The name of this host, for a recording; `None` if it has none.
pub fn host_name() -> Option<String> {
    sys::host_name()
}

/// Shared memory of all processes and files in memory (tmpfs), in bytes; `None` if the system does not show it.
pub fn shared_memory() -> Option<u64> {
    kibibytes(&read_text("/proc/meminfo")?, "Shmem:")
}

/// The model of the processor; `None` if the system does not show it.
pub fn processor_model() -> Option<String> {
    let text = read_text("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A kernel setting by its name, such as `net.ipv4.tcp_rmem`, with single spaces between its parts.
pub(crate) fn sysctl(name: &str) -> Option<String> {
    let text = read_text(format!("/proc/sys/{}", name.replace('.', "/")))?;
    Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

/// A line of `/proc/meminfo` or `/proc/PID/status` with a number of kB, in bytes.
pub(crate) fn kibibytes(text: &str, label: &str) -> Option<u64> {
    labelled(text, label)?.checked_mul(1024)
}

/// TCP sockets in use, and pages of memory that they use, from `/proc/net/sockstat`.
fn tcp_of_sockstat(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let value =
        |name: &str| line.split_ascii_whitespace().skip_while(|&word| word != name).nth(1)?.parse().ok();
    Some((value("inuse")?, value("mem")?))
}

/// Checks the promises for any two texts in place of the kernel's files.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(one: &str, other: &str) {
    available::check(one, other);
    cgroup::check(one, other);
    queue_limits::check(one);
    let _ = (tcp_of_sockstat(one), kibibytes(one, "MemAvailable:"));
}

/// Settings that decide how much data the queues hold, and when it moves.
const SYSCTLS: [&str; 10] = [
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.tcp_adv_win_scale",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_moderate_rcvbuf",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

#[cfg(test)]
mod tests {
    use super::*;

    // Captured on Linux 6.18.
    const SOCKSTAT: &str = "sockets: used 16\nTCP: inuse 7 orphan 0 tw 0 alloc 9 mem 141\nUDP: inuse 0 mem 0\n\
        FRAG: inuse 0 memory 0\n";
    const MEMINFO: &str =
        "MemTotal:       24637888 kB\nMemFree:         4212012 kB\nMemAvailable:   21011000 kB\n";

    #[test]
    fn sockstat_and_meminfo_are_parsed_by_label() {
        assert_eq!(tcp_of_sockstat(SOCKSTAT), Some((7, 141)));
        assert_eq!(kibibytes(MEMINFO, "MemAvailable:"), Some(21_011_000 * 1024));
        assert_eq!(kibibytes(MEMINFO, "SwapTotal:"), None);
    }

    #[test]
    fn truncated_text_never_panics() {
        for text in [SOCKSTAT, MEMINFO] {
            for end in 0..text.len() {
                let _ = (tcp_of_sockstat(&text[..end]), kibibytes(&text[..end], "MemAvailable:"));
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_shows_kernel_memory_and_settings() {
        let machine = machine();

        assert!(machine.kernel.is_some() && machine.memory > Some(1 << 20));
        assert!(machine.sysctls.contains_key("net.ipv4.tcp_rmem"));
        assert!(machine.kernel_buffering.unwrap() > 1 << 16);
        assert!(TcpMemory::now().unwrap().pressure > 0);
        assert!(shared_memory() < machine.memory);
    }
}
