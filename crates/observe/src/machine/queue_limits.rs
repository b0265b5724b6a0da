//! Limits of a connection's kernel queues, and how much data both kernels buffer on one connection.

use super::sysctl;

/// The three numbers of a setting such as `net.ipv4.tcp_rmem`, in the kernel's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SysctlRange {
    /// Minimum.
    pub min: u64,
    /// Initial value. Of `tcp_mem`: the threshold of memory pressure.
    pub default: u64,
    /// Maximum.
    pub max: u64,
}

impl SysctlRange {
    /// The setting of this name; `None` if this system does not show it.
    pub(crate) fn here(name: &str) -> Option<SysctlRange> {
        SysctlRange::parse(&sysctl(name)?)
    }

    pub(crate) fn parse(text: &str) -> Option<SysctlRange> {
        let numbers: Option<Vec<u64>> = text.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
        let [min, default, max] = numbers?.try_into().ok()?;
        Some(SysctlRange { min, default, max })
    }
}

/// Limits of one connection's queues, in bytes of kernel memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// `net.ipv4.tcp_rmem`: limit of a receive queue.
    pub receive: SysctlRange,
    /// `net.ipv4.tcp_wmem`: limit of a send queue.
    pub send: SysctlRange,
}

impl QueueLimits {
    /// Those of this machine; `None` if they are not visible.
    pub fn here() -> Option<QueueLimits> {
        Some(QueueLimits {
            receive: SysctlRange::here("net.ipv4.tcp_rmem")?,
            send: SysctlRange::here("net.ipv4.tcp_wmem")?,
        })
    }
}

/// Kernel buffering: the most data that the four queues of one connection can hold, in bytes, queue by queue.
///
/// ```text
/// client ─> send queue ─> server's receive queue ─> server ─> send queue ─> client's receive queue
///           client_send   server_receive                      server_send   client_receive
/// ```
///
/// A server that reads no more than it can write is stalled once these are full. Only bytes beyond the
/// [total](KernelBuffering::total) prove that the server itself buffers.
///
/// A measured stall stays below the total, and differs between runs by several MiB:
///
/// - **A receive queue tunes itself.** It begins at the default of `tcp_rmem` (128 KiB). The kernel raises its limit
///   towards the maximum while the program reads quickly, so the limit at the moment of the stall depends on how fast and
///   for how long the server had read before. The queue of a client that never reads is never raised.
/// - **A send queue tunes itself too**, from 16 KiB up to the maximum of `tcp_wmem` as the congestion window grows.
/// - **The limits count kernel memory, not payload.** Bookkeeping takes a part that is larger for small segments.
/// - SO_SNDBUF and SO_RCVBUF fix a queue's size and turn its tuning off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelBuffering {
    /// The client's send queue: the maximum of `tcp_wmem`.
    pub client_send: u64,
    /// The server's receive queue: the maximum of `tcp_rmem`, which it reaches only while the server reads quickly.
    pub server_receive: u64,
    /// The server's send queue: the maximum of `tcp_wmem`.
    pub server_send: u64,
    /// The receive queue of a client that never reads: the default of `tcp_rmem`.
    pub client_receive: u64,
}

impl KernelBuffering {
    /// With the default limits of Linux: 14.1 MiB in all.
    pub const LINUX_DEFAULT: KernelBuffering = KernelBuffering {
        client_send: 4 << 20,
        server_receive: 6 << 20,
        server_send: 4 << 20,
        client_receive: 128 << 10,
    };

    /// With these limits.
    pub const fn new(limits: &QueueLimits) -> KernelBuffering {
        KernelBuffering {
            client_send: limits.send.max,
            server_receive: limits.receive.max,
            server_send: limits.send.max,
            client_receive: limits.receive.default,
        }
    }

    /// With the limits of this machine, or Linux's default limits if they are not visible.
    pub fn here() -> KernelBuffering {
        QueueLimits::here().map_or(Self::LINUX_DEFAULT, |limits| KernelBuffering::new(&limits))
    }

    /// Of a connection over a Unix-domain socket, with the limits of this machine: about 0.5 MiB. The bytes that one side has written
    /// are in the queue of the other, and limited by its own send buffer: `net.core.wmem_default`, if its program does not set one.
    pub fn unix() -> KernelBuffering {
        let limit = sysctl("net.core.wmem_default").and_then(|text| text.parse().ok());
        let one_way = limit.unwrap_or(UNIX_LINUX_DEFAULT).saturating_add(UNIX_BUFFER);
        KernelBuffering { client_send: one_way, server_receive: 0, server_send: one_way, client_receive: 0 }
    }

    /// The queues of this many connections, in bytes.
    pub fn of_connections(&self, count: usize) -> u64 {
        self.total().saturating_mul(count as u64)
    }

    /// All four queues, in bytes.
    pub fn total(&self) -> u64 {
        [self.client_send, self.server_receive, self.server_send, self.client_receive]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The default of `net.core.wmem_default`, in bytes.
const UNIX_LINUX_DEFAULT: u64 = 212_992;

/// Bytes of the largest buffer that the kernel allocates for a write to a Unix-domain socket. The last one is accepted while less
/// than the limit is used, so it may exceed the limit.
const UNIX_BUFFER: u64 = 48 << 10;

/// Checks the promises for any text in place of a setting.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(text: &str) {
    if let Some(sizes) = SysctlRange::parse(text) {
        let buffering = KernelBuffering::new(&QueueLimits { receive: sizes, send: sizes });
        assert!(buffering.total() >= sizes.max.max(sizes.default));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_buffering_is_the_sum_of_four_queues() {
        let limits = QueueLimits {
            receive: SysctlRange { min: 4096, default: 131_072, max: 33_554_432 },
            send: SysctlRange { min: 4096, default: 16_384, max: 4_194_304 },
        };

        assert_eq!(KernelBuffering::new(&limits).total(), 33_554_432 + 2 * 4_194_304 + 131_072);
    }

    #[test]
    fn a_setting_has_three_numbers() {
        let range = SysctlRange { min: 4096, default: 131_072, max: 33_554_432 };

        assert_eq!(SysctlRange::parse("4096\t131072\t33554432\n"), Some(range));
        assert_eq!(SysctlRange::parse("4096 131072"), None);
        assert_eq!(SysctlRange::parse("4096 131072 -1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_shows_its_queue_limits() {
        assert!(QueueLimits::here().is_some_and(|limits| limits.receive.max > 1 << 16));
    }
}
