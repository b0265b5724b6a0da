//! Whether this system's TCP queues are of a size that the lessons are made for.
//!
//! Several experiments fill the kernel's queues, or count on a write that does not fit. Where an administrator has set
//! their sizes far from the usual, a claim may fail though all is well: then the system cannot show it.

use echoctl_observe::{QueueLimits, SysctlRange};
use echoctl_record::Bytes;

/// What is unusual about the queues, or `None` where nothing is, or where it cannot be seen.
pub(super) fn unusual() -> Option<String> {
    QueueLimits::here().and_then(|limits| unusual_in(&limits))
}

fn unusual_in(limits: &QueueLimits) -> Option<String> {
    let is_usual = |range: SysctlRange| range.default <= MAX_DEFAULT && (MIN..=MAX).contains(&range.max);
    let of = |name: &str, range: SysctlRange| {
        format!("net.ipv4.{name} is {} at first and {} at most", Bytes(range.default), Bytes(range.max))
    };
    match (is_usual(limits.receive), is_usual(limits.send)) {
        (true, true) => None,
        (false, _) => Some(of("tcp_rmem", limits.receive)),
        (true, false) => Some(of("tcp_wmem", limits.send)),
    }
}

/// Bytes of a queue as a connection begins: Linux has 128 KiB to receive and 16 KiB to send, and the lessons write 1 MiB
/// at least where it is not to fit.
const MAX_DEFAULT: u64 = 512 << 10;

/// Bytes of a queue at most: Linux has 6 MiB or 32 MiB to receive and 4 MiB to send. The lessons send 64 MiB where it is not
/// to fit, and 1 MiB where it is, into four queues.
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
    fn queues_are_unusual_when_they_are_far_from_linux_defaults() {
        let (receive, send) = ([4096, 131_072, 33_554_432], [4096, 16_384, 4_194_304]);

        assert_eq!(limits(receive, send), None);
        assert_eq!(limits([4096, 131_072, 6_291_456], send), None);
        assert!(limits([4096, 268_435_456, 268_435_456], send).is_some_and(|why| why.contains("tcp_rmem")));
        assert!(limits(receive, [4096, 16_384, 268_435_456]).is_some_and(|why| why.contains("tcp_wmem")));
        assert!(limits([4096, 4096, 4096], [4096, 4096, 4096]).is_some());
    }
}
