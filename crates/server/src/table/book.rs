//! What changes in the table when a connection comes or goes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::chunk::{CHUNK, Chunk, EntryRef};
use super::entry::Vacated;
use crate::event::Totals;

/// Which entries are used, and the sums of the connections that have left.
#[derive(Debug)]
pub(super) struct Book {
    /// `None` where no entry is used.
    chunks: Box<[Option<Chunk>]>,
    /// Indices of the entries that were used before and are vacant.
    vacant: BinaryHeap<Reverse<u32>>,
    /// Number of entries that were ever used: the index of the next one.
    used: u32,
    /// Number of connections so far.
    pub(super) accepted: u64,
    /// Totals of the connections that have left.
    closed: Totals,
}

impl Book {
    /// A book for this many chunks, none of which is allocated yet.
    pub(super) fn new(chunks: usize) -> Book {
        Book {
            chunks: (0..chunks).map(|_| None).collect(),
            vacant: BinaryHeap::new(),
            used: 0,
            accepted: 0,
            closed: Totals::default(),
        }
    }

    /// Takes the vacant entry with the lowest index, so that those who come after a crowd do not keep its chunks.
    ///
    /// # Errors
    /// If the table is full, or there is no memory for one more entry.
    pub(super) fn take_vacant(&mut self, capacity: usize) -> io::Result<EntryRef> {
        let index = self.vacant.peek().map_or(self.used, |Reverse(lowest)| *lowest);
        if index as usize >= capacity {
            return Err(io::Error::other("the connection table is full"));
        }
        if index == self.used {
            // So that vacating the entry needs no memory.
            self.vacant.try_reserve(self.used as usize + 1)?;
        }
        let place = &mut self.chunks[index as usize / CHUNK];
        let chunk = match place {
            Some(chunk) => chunk,
            None => place.insert(Chunk::with(index)?),
        };
        chunk.used += 1;
        let entry = chunk.entry(index);
        if self.vacant.pop().is_none() {
            self.used += 1;
        }
        self.accepted += 1;
        Ok(entry)
    }

    /// Ends the connection that uses an entry. The first chunk stays, so that connections that come one at a time allocate none.
    ///
    /// # Panics
    /// If the entry is vacant.
    pub(super) fn vacate(&mut self, entry: &EntryRef) -> Vacated {
        let vacated = entry.vacate();
        self.closed += vacated.totals;
        self.vacant.push(Reverse(entry.index));
        let place = &mut self.chunks[entry.index as usize / CHUNK];
        if let Some(chunk) = place {
            chunk.used -= 1;
            if chunk.used == 0 && entry.index as usize >= CHUNK {
                *place = None;
            }
        }
        vacated
    }

    /// The chunk with this number, if it is allocated.
    pub(super) fn chunk(&self, number: usize) -> Option<&Chunk> {
        self.chunks[number].as_ref()
    }

    /// Totals of all connections: one that closes in the meantime waits for the book, and counts once.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.closed;
        let entries = self.chunks.iter().flatten().flat_map(Chunk::entries);
        entries.for_each(|entry| totals += entry.totals());
        totals
    }
}
