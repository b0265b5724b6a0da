//! Counts a needle in memory that is read piece by piece, also where it lies across the boundary of two pieces.
//!
//! It is found as UTF-16 too, in either byte order, since .NET, some strings of Java and JavaScript, and Windows store text that
//! way: an ASCII needle with a zero byte between its characters.

use std::fs::File;
use std::io;

use memchr::memmem::Finder;

use crate::sys;

/// A search through the memory of processes.
pub(super) struct Searcher {
    /// For the needle, and for the needle as UTF-16.
    finders: [Finder<'static>; 2],
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

impl Searcher {
    /// Searches pieces of at most `max_piece` bytes.
    pub(super) fn new(needle: &[u8], max_piece: usize) -> Searcher {
        let mut utf16: Vec<u8> = needle.iter().flat_map(|&byte| [byte, 0]).collect();
        // The zero byte of the last character is before or behind it.
        utf16.pop();
        let buffer = vec![0; utf16.len() + max_piece];
        let finders = [Finder::new(needle), Finder::new(&utf16)].map(Finder::into_owned);
        Searcher { finders, buffer, carried: 0, end: 0 }
    }

    /// Reads and searches the piece at `address`, or the beginning of it if the rest is gone.
    pub(super) fn read(&mut self, address: u64, length: usize, memory: &File) -> io::Result<PieceRead> {
        if address != self.end {
            self.carried = 0;
        }
        let bytes = sys::read_at(memory, &mut self.buffer[self.carried..][..length], address)?;
        let filled = self.carried + bytes;
        let overlaps = self.finders.each_ref().map(|finder| finder.needle().len().saturating_sub(1));
        let counts = self.finders.iter().zip(overlaps).map(|(finder, overlap)| {
            // What ends in the previous piece was counted there.
            let from = self.carried.saturating_sub(overlap);
            finder.find_iter(&self.buffer[from..filled]).count()
        });
        let occurrences = counts.sum();
        let carried = filled.min(overlaps[1]);
        self.buffer.copy_within(filled - carried..filled, 0);
        (self.carried, self.end) = (carried, address + bytes as u64);
        Ok(PieceRead { bytes, occurrences })
    }
}
