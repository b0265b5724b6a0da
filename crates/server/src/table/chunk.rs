//! A chunk of the table's entries, which are allocated and freed together.

use std::collections::TryReserveError;
use std::ops::Deref;
use std::sync::Arc;

use super::Entry;

/// A chunk, as the table has it.
#[derive(Debug)]
pub(super) struct Chunk {
    entries: Arc<Entries>,
    /// Index of the first one.
    first: u32,
    /// How many of them a connection uses.
    pub(super) used: usize,
}

impl Chunk {
    /// The chunk that has the entry at `index`, all of them vacant.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn with(index: u32) -> Result<Chunk, TryReserveError> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(CHUNK)?;
        entries.resize_with(CHUNK, Entry::default);
        let entries = Arc::new(Entries(entries.into_boxed_slice()));
        Ok(Chunk { entries, first: index - index % CHUNK as u32, used: 0 })
    }

    /// The entry at an index that is in this chunk.
    pub(super) fn entry(&self, index: u32) -> EntryRef {
        EntryRef { entries: self.entries.clone(), index }
    }

    /// All its entries, to be used after the table was unlocked.
    pub(super) fn entry_refs(&self) -> impl Iterator<Item = EntryRef> + use<> {
        let (entries, indices) = (self.entries.clone(), self.first..self.first + CHUNK as u32);
        indices.map(move |index| EntryRef { entries: entries.clone(), index })
    }

    /// All its entries.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries.0
    }
}

/// The entries of a chunk.
#[derive(Debug)]
pub(super) struct Entries(Box<[Entry]>);

impl Entries {
    /// The entry at an index that is in this chunk.
    pub(super) fn at(&self, index: u32) -> &Entry {
        &self.0[index as usize % CHUNK]
    }
}

/// An entry of the table. As long as this exists, it stays allocated, but another connection may use it.
#[derive(Debug, Clone)]
pub(crate) struct EntryRef {
    pub(super) entries: Arc<Entries>,
    /// Where it is in the table.
    pub(super) index: u32,
}

impl Deref for EntryRef {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entries.at(self.index)
    }
}

/// Entries per chunk: 32 KiB, so that a server with few connections allocates little, and one that stays when a crowd has left keeps
/// little of it.
pub(super) const CHUNK: usize = if cfg!(all(test, echoctl_loom)) { 2 } else { 256 };
