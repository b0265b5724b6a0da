//! Checks whether this system's TCP queues have sizes that the lessons expect.
//!
//! Several experiments fill the kernel's queues, or rely on a write that does not fit. If an administrator has set unusual
//! sizes, a claim may fail although nothing is wrong: then the system cannot show the lesson.

use echoctl_observe::{QueueLimits, SysctlRange};
use echoctl_record::Bytes;

/// What is unusual about the queues; `None` if nothing is, or if their sizes are not visible.
pub(super) fn unusual() -> Option<String> {
    QueueLimits::here().and_then(|limits| unusual_in(&limits))
}

fn unusual_in(limits: &QueueLimits) -> Option<String> {
    let is_usual = |range: SysctlRange| range.default <= MAX_DEFAULT && (MIN..=MAX).contains(&range.max);
    let of = |name: &str, range: SysctlRange| {
        format!("net.ipv4.{name} is {} by default and {} at most", Bytes(range.default), Bytes(range.max))
    };
    match (is_usual(limits.receive), is_usual(limits.send)) {
        (true, true) => None,
        (false, _) => Some(of("tcp_rmem", limits.receive)),
        (true, false) => Some(of("tcp_wmem", limits.send)),
    }
}

/// Largest initial size of a queue, in bytes: Linux has 128 KiB to receive and 16 KiB to send, and the lessons write at least
/// 1 MiB that must not fit.
const MAX_DEFAULT: u64 = 512 << 10;

/// Range of the maximum size of a queue, in bytes: Linux has 6 MiB or 32 MiB to receive and 4 MiB to send. The lessons send
/// 64 MiB that must not fit into four queues, and 1 MiB that must.
const MIN: u64 = 1 << 20;
const MAX: u64 = 40 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(receive: [u64; 3], send: [u64; 3]) -> Option<String> {
        let range = |[min, default, max]: [u64; 3]| SysctlRange { min, default, max };
        unusual_in(&QueueLimits { receive: range(receive), send: range(send) })
    }

    #[test]
    fn queues_far_from_the_defaults_of_linux_are_unusual() {
        let (receive, send) = ([4096, 131_072, 33_554_432], [4096, 16_384, 4_194_304]);

        assert_eq!(limits(receive, send), None);
        assert_eq!(limits([4096, 131_072, 6_291_456], send), None);
        assert!(limits([4096, 268_435_456, 268_435_456], send).is_some_and(|why| why.contains("tcp_rmem")));
        assert!(limits(receive, [4096, 16_384, 268_435_456]).is_some_and(|why| why.contains("tcp_wmem")));
        assert!(limits([4096, 4096, 4096], [4096, 4096, 4096]).is_some());
    }
}
