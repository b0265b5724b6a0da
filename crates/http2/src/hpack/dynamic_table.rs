//! The fields that the encoder added on this connection, newest first, within a size (RFC 7541, sections 2.3.2 and 4).

use std::collections::VecDeque;

use super::{FIELD_OVERHEAD, TABLE_SIZE};

/// A queue of fields. It holds at most 4 KiB, and 128 fields, since each counts 32 bytes more than it has.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
}

/// Name and value.
type Entry = (Box<[u8]>, Box<[u8]>);

impl DynamicTable {
    pub(super) const fn new() -> DynamicTable {
        DynamicTable { entries: VecDeque::new(), size: 0, max_size: TABLE_SIZE }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The entry with this index, from 0 for the newest.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.entries.get(index).map(|(name, value)| (&**name, &**value))
    }

    /// Adds a field. One that is larger than the table empties it and is not added, which is not an error.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + FIELD_OVERHEAD;
        self.evict(self.max_size.saturating_sub(size));
        if size <= self.max_size {
            self.size += size;
            self.entries.push_front((name.into(), value.into()));
        }
    }

    /// Changes the maximum, which the caller has compared with [`TABLE_SIZE`].
    pub(super) fn resize(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict(max_size);
    }

    /// Removes the oldest entries until the rest has at most this size.
    fn evict(&mut self, size: usize) {
        while self.size > size {
            let Some((name, value)) = self.entries.pop_back() else { break };
            self.size -= name.len() + value.len() + FIELD_OVERHEAD;
        }
    }
}
