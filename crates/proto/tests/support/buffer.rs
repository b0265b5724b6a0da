//! Operations on a buffer, each followed by a comparison with a `Vec` that does the same in the simplest way.

use echoctl_proto::{Buffer, BufferError, Full};

/// One thing that can be done to a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Append this many bytes.
    Append(usize),
    /// Request this much free space, and write as much as the second number, at most all of it.
    Fill(usize, usize),
    /// Consume this many bytes, at most all.
    Consume(usize),
    Clear,
    Shrink,
}

/// Performs the operations in order.
///
/// # Panics
/// If the buffer differs from its model, or exceeds a bound that it promises.
pub(crate) fn run(limit: usize, operations: &[Operation]) {
    let mut pair = Pair { buffer: Buffer::new(limit), model: Vec::new(), written: 0 };
    for &operation in operations {
        pair.apply(operation);
        pair.compare();
    }
}

/// Reads `input` as a limit and operations, and runs them. For fuzzing.
///
/// ```text
/// byte 0          the limit: one of LIMITS
/// then, each      an operation (lowest 3 bits; the others of its first number), and one byte for each number
/// ```
pub(crate) fn check(input: &[u8]) {
    let Some((&limit, input)) = input.split_first() else { return };
    let limit = LIMITS[usize::from(limit) % LIMITS.len()];
    let mut bytes = input.iter().map(|&byte| usize::from(byte));
    let mut operations = Vec::new();
    while operations.len() < MOST_OPERATIONS
        && let (Some(code), Some(low)) = (bytes.next(), bytes.next())
    {
        // Squared, so that small steps are common and the largest exceeds what a buffer retains. Beyond the limit, the
        // amount makes no difference.
        let count = (low + (code >> 3) * (code >> 3) * 70).min(limit + 1);
        operations.push(match code & 7 {
            0 | 1 => Operation::Append(count),
            2 | 3 => Operation::Fill(count, bytes.next().unwrap_or(0) * (code >> 3).max(1)),
            4 | 5 => Operation::Consume(count),
            6 => Operation::Clear,
            _ => Operation::Shrink,
        });
    }
    run(limit, &operations);
}

/// Enough for several growths, compactions and refusals; longer scenarios would only take longer.
pub(crate) const MOST_OPERATIONS: usize = if cfg!(miri) { 10 } else { 60 };

/// Limits around the buffer's own thresholds: 0, its first allocation, and what it retains.
const LIMITS: [usize; 8] = [0, 1, 63, 64, 1000, 4096, Buffer::RETAINED, Buffer::RETAINED * 2 + 1];

struct Pair {
    buffer: Buffer,
    model: Vec<u8>,
    /// Number of bytes written so far. Their content counts up, so that a misplaced byte is noticed.
    written: usize,
}

impl Pair {
    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append(count) => {
                let bytes = self.next_bytes(count);
                let expected = self.room_for(count);
                let capacity = self.buffer.growth(count).map(|growth| self.buffer.capacity() + growth);
                assert_eq!(self.buffer.append(&bytes), expected);
                assert!(capacity.is_err() || capacity == Ok(self.buffer.capacity()), "{:?}", self.buffer);
                if expected.is_ok() {
                    self.model.extend_from_slice(&bytes);
                }
            }
            Operation::Fill(wanted, filled) => {
                let bytes = self.next_bytes(filled.min(wanted));
                let expected = self.room_for(wanted);
                match self.buffer.spare(wanted) {
                    Ok(room) => {
                        assert!(room.len() >= wanted);
                        room[..bytes.len()].copy_from_slice(&bytes);
                        self.buffer.commit(bytes.len());
                        self.model.extend_from_slice(&bytes);
                        assert_eq!(expected, Ok(()));
                    }
                    Err(full) => assert_eq!(expected, Err(full)),
                }
            }
            Operation::Consume(count) => {
                let count = count.min(self.model.len());
                self.buffer.consume(count);
                self.model.drain(..count);
                assert!(!self.model.is_empty() || self.buffer.capacity() <= Buffer::RETAINED);
            }
            Operation::Clear => {
                self.buffer.clear();
                self.model.clear();
                assert!(self.buffer.capacity() <= Buffer::RETAINED);
            }
            Operation::Shrink => {
                self.buffer.shrink();
                assert_eq!(self.buffer.capacity(), self.model.len());
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.buffer.unread(), self.model);
        assert_eq!(self.buffer.len(), self.model.len());
        assert_eq!(self.buffer.is_empty(), self.model.is_empty());
        assert!(self.buffer.len() <= self.buffer.limit(), "{:?}", self.buffer);
        assert!(self.buffer.capacity() <= self.buffer.limit(), "{:?}", self.buffer);
    }

    /// What appending `wanted` bytes to the model returns.
    fn room_for(&self, wanted: usize) -> Result<(), BufferError> {
        let (limit, buffered) = (self.buffer.limit(), self.model.len());
        if buffered + wanted > limit { Err(Full { limit, buffered, wanted }.into()) } else { Ok(()) }
    }

    fn next_bytes(&mut self, count: usize) -> Vec<u8> {
        // A prime below 256, so that the pattern does not repeat with powers of two, as allocations do.
        let bytes = (self.written..self.written + count).map(|at| (at % 251) as u8).collect();
        self.written += count;
        bytes
    }
}
