//! Decides whether a server's memory can hold what it has read and not written back.

use echoctl_record::{Queue, Queues, Sample};

/// Whether the server's memory, which grew by `growth` bytes, does not hold what it has read and not written back.
pub fn does_not_hold(now: &Sample, growth: Option<u64>) -> bool {
    let unwritten = Queues::of(now)[Queue::Inside];
    unwritten.zip(growth).is_some_and(|(unwritten, growth)| exceeds_memory(unwritten, growth))
}

/// Whether these unwritten bytes cannot be in memory that grew by `growth` bytes.
pub fn exceeds_memory(unwritten: u64, growth: u64) -> bool {
    unwritten > HEAP_SLACK && growth < unwritten / 2
}

/// Bytes that a heap may have to spare, or by which it may grow for other reasons: less proves nothing.
pub(crate) const HEAP_SLACK: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_more_unwritten_than_memory_grew_is_not_in_memory() {
        let now =
            |unwritten| Sample { server_read: Some(unwritten), server_written: Some(0), ..Sample::default() };
        let mib = |number: u64| number << 20;

        assert!(does_not_hold(&now(mib(200)), Some(mib(1))));
        assert!(!does_not_hold(&now(mib(200)), Some(mib(200))));
        assert!(!does_not_hold(&now(mib(4)), Some(0)), "a heap may have that much to spare");
        assert!(!does_not_hold(&now(mib(200)), None), "memory that is not visible proves nothing");
    }
}
