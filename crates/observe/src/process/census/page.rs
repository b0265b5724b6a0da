//! A page of memory, as an entry of `/proc/PID/pagemap` describes it (`Documentation/admin-guide/mm/pagemap.rst` in Linux).

/// An entry: 64 bits, of which every user may read the flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page(u64);

impl Page {
    /// Bytes.
    pub(super) const ENTRY_SIZE: usize = 8;

    /// Parses [`Page::ENTRY_SIZE`] bytes.
    pub(super) fn parse(entry: &[u8]) -> Page {
        Page(entry.first_chunk().map_or(0, |entry| u64::from_ne_bytes(*entry)))
    }

    /// Whether it is in RAM.
    pub(super) fn is_present(self) -> bool {
        self.0 & (1 << 63) != 0
    }

    /// Whether it is in swap.
    pub(super) fn is_swapped(self) -> bool {
        self.0 & (1 << 62) != 0
    }

    /// Whether it belongs to a file or to shared memory.
    pub(super) fn is_of_file(self) -> bool {
        self.0 & (1 << 61) != 0
    }
}
