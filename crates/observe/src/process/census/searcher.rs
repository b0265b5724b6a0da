//! Counts a needle in memory that is read piece by piece, also where it lies across the boundary of two pieces.

use std::fs::File;
use std::io;

use memchr::memmem::Finder;

use crate::sys;

/// A search through the memory of processes.
pub(super) struct Searcher<'a> {
    finder: Finder<'a>,
    /// The last bytes of the previous piece, in which an occurrence may begin, and behind them the piece.
    buffer: Vec<u8>,
    /// Number of bytes of the previous piece.
    carried: usize,
    /// The address behind the previous piece.
    end: u64,
}

/// What was read of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PieceRead {
    pub(super) bytes: usize,
    /// Occurrences that end in it.
    pub(super) occurrences: usize,
}

impl<'a> Searcher<'a> {
    /// Searches pieces of at most `max_piece` bytes.
    pub(super) fn new(needle: &'a [u8], max_piece: usize) -> Searcher<'a> {
        let buffer = vec![0; needle.len() + max_piece];
        Searcher { finder: Finder::new(needle), buffer, carried: 0, end: 0 }
    }

    /// Reads and searches the piece at `address`, or the beginning of it if the rest is gone.
    pub(super) fn read(&mut self, address: u64, length: usize, memory: &File) -> io::Result<PieceRead> {
        if address != self.end {
            self.carried = 0;
        }
        let bytes = sys::read_at(memory, &mut self.buffer[self.carried..][..length], address)?;
        let filled = self.carried + bytes;
        let occurrences = self.finder.find_iter(&self.buffer[..filled]).count();
        let carried = filled.min(self.finder.needle().len().saturating_sub(1));
        self.buffer.copy_within(filled - carried..filled, 0);
        (self.carried, self.end) = (carried, address + bytes as u64);
        Ok(PieceRead { bytes, occurrences })
    }
}
