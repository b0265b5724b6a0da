//! The machine: kernel settings that bound the queues, and how much memory TCP has.
//!
//! **The slack** is the most that the kernels of both ends can hold of one connection, with buffers that the kernel sizes
//! itself: two send queues, the receive queue of a server that reads, and that of a client that never does (which is never
//! raised, since raising follows reading). Nothing below it tells a bounded server from an unbounded one.

use std::collections::BTreeMap;

use echoctl_record::Machine;

use crate::proc_file::read_text;
use crate::sys;

/// Three settings of one name, in the kernel's order: least, default (or pressure), most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SysctlRange {
    /// The least.
    pub min: u64,
    /// Where it begins (of `tcp_mem`: where the kernel is under pressure).
    pub default: u64,
    /// The most.
    pub max: u64,
}

/// The sizes of one connection's queues, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// `net.ipv4.tcp_rmem`: what a receive queue may take.
    pub receive: SysctlRange,
    /// `net.ipv4.tcp_wmem`: what a send queue may take.
    pub send: SysctlRange,
}

impl QueueLimits {
    /// As this machine has them. `None` where they are not visible.
    pub fn here() -> Option<QueueLimits> {
        let range = |name: &str| range(&sysctl(name)?);
        Some(QueueLimits { receive: range("net.ipv4.tcp_rmem")?, send: range("net.ipv4.tcp_wmem")? })
    }

    /// The most bytes that both kernels can hold of one connection of an echo.
    pub fn kernel_buffering(&self) -> u64 {
        self.kernel_buffering_with(None, None)
    }

    /// The same with queues of a fixed size at the client's end (`--sndbuf`, `--rcvbuf`; the kernel doubles them).
    pub fn kernel_buffering_with(&self, client_send: Option<u64>, client_receive: Option<u64>) -> u64 {
        let client_send = client_send.map_or(self.send.max, |bytes| bytes.saturating_mul(2));
        let client_receive = client_receive.map_or(self.receive.default, |bytes| bytes.saturating_mul(2));
        [client_send, self.receive.max, self.send.max, client_receive]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The memory that TCP has in the kernel, over all sockets of the host, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpMemory {
    /// What it has now.
    pub used: u64,
    /// Where the kernel begins to shrink everybody's queues.
    pub pressure: u64,
    /// The most that it gets.
    pub max: u64,
    /// TCP sockets of the host that are in use.
    pub sockets: u64,
}

impl TcpMemory {
    /// Of this host now. `None` where it is not visible.
    pub fn now() -> Option<TcpMemory> {
        let limits = range(&sysctl("net.ipv4.tcp_mem")?)?;
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

    /// The part of the way to pressure that is gone: above 0.5 figures of many connections cannot be trusted, above 1
    /// the kernel shrinks queues.
    pub fn utilization(&self) -> f64 {
        self.used as f64 / self.pressure.max(1) as f64
    }
}

/// This machine, for the record of a run.
pub fn machine() -> Machine {
    let sysctls: BTreeMap<String, String> =
        SYSCTLS.iter().filter_map(|&name| Some((name.to_owned(), sysctl(name)?))).collect();
    Machine {
        system: std::env::consts::OS.to_owned(),
        kernel: sysctl("kernel.osrelease"),
        architecture: std::env::consts::ARCH.to_owned(),
        processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        memory: meminfo("MemTotal:"),
        sysctls,
        kernel_buffering: QueueLimits::here().map(|limits| limits.kernel_buffering()),
    }
}

/// A kernel setting by its name, `net.ipv4.tcp_rmem`, with single spaces between its parts.
pub(crate) fn sysctl(name: &str) -> Option<String> {
    let text = read_text(format!("/proc/sys/{}", name.replace('.', "/")))?;
    Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

fn range(text: &str) -> Option<SysctlRange> {
    let numbers: Option<Vec<u64>> = text.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    let [min, default, max] = numbers?.try_into().ok()?;
    Some(SysctlRange { min, default, max })
}

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(label: &str) -> Option<u64> {
    kibibytes(&read_text("/proc/meminfo")?, label)
}

/// A line of `/proc/meminfo` or `/proc/PID/status` that has a number of kB, in bytes.
pub(crate) fn kibibytes(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// TCP sockets in use and pages of memory that they have, from `/proc/net/sockstat`.
fn tcp_of_sockstat(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let value = |name: &str| {
        let at = words.iter().position(|&word| word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    Some((value("inuse")?, value("mem")?))
}

/// Any text as the files that are read.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(text: &str) {
    let _ = (tcp_of_sockstat(text), kibibytes(text, "MemAvailable:"));
    if let Some(sizes) = range(text) {
        let limits = QueueLimits { receive: sizes, send: sizes };
        assert!(limits.kernel_buffering() >= limits.receive.max.max(limits.send.max));
    }
}

/// Settings that decide how much stands in queues, and when it moves.
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
    fn the_slack_is_what_two_kernels_can_hold() {
        let limits = QueueLimits {
            receive: SysctlRange { min: 4096, default: 131_072, max: 33_554_432 },
            send: SysctlRange { min: 4096, default: 16_384, max: 4_194_304 },
        };

        assert_eq!(limits.kernel_buffering(), 33_554_432 + 2 * 4_194_304 + 131_072);
        assert_eq!(limits.kernel_buffering_with(None, None), limits.kernel_buffering());
        assert_eq!(
            limits.kernel_buffering_with(Some(8192), Some(4096)),
            16_384 + 33_554_432 + 4_194_304 + 8192
        );
    }

    #[test]
    fn sockstat_and_meminfo_are_read_by_label() {
        assert_eq!(tcp_of_sockstat(SOCKSTAT), Some((7, 141)));
        assert_eq!(kibibytes(MEMINFO, "MemAvailable:"), Some(21_011_000 * 1024));
        assert_eq!(kibibytes(MEMINFO, "SwapTotal:"), None);
        assert_eq!(
            range("4096 131072 33554432"),
            Some(SysctlRange { min: 4096, default: 131_072, max: 33_554_432 })
        );
        assert_eq!(range("4096 131072"), None);
    }

    #[test]
    fn text_that_is_cut_short_anywhere_is_never_a_panic() {
        for text in [SOCKSTAT, MEMINFO] {
            for end in 0..text.len() {
                let _ = (tcp_of_sockstat(&text[..end]), kibibytes(&text[..end], "MemAvailable:"));
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_shows_what_linux_always_shows() {
        let machine = machine();

        assert!(machine.kernel.is_some() && machine.memory > Some(1 << 20));
        assert!(machine.sysctls.contains_key("net.ipv4.tcp_rmem"));
        assert!(machine.kernel_buffering.unwrap() > 1 << 16);
        assert!(TcpMemory::now().unwrap().pressure > 0);
    }
}
