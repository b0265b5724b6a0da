//! Counts how often a piece of payload occurs in the memory of processes, without stopping them.
//!
//! Memory is read through `/proc/PID/mem`, which stays bound to one process whatever becomes of its pid, with 4 GB/s
//! (`process_vm_readv`: 9 GB/s). Only pages in RAM are read, as `/proc/PID/pagemap` lists them: a heap that was reserved and never
//! touched costs 5 ms per GiB.
//!
//! The count is an upper bound of what a server has queued. Each copy counts, and so do bytes that were freed and not overwritten
//! yet. Pages that processes share since a `fork` count in each of them, until one writes to its own; shared mappings count once.
//! Not found: payload that was compressed, encrypted, or split into parts shorter than the needle.

mod mapping;
mod page;
mod scope;
mod searcher;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::{Duration, Instant};

use super::Process;
use super::one_process::path;
use crate::sys;
use mapping::{FileId, Mapping};
use page::Page;
pub use scope::CensusScope;
use searcher::Searcher;

#[cfg(any(test, fuzzing))]
pub(crate) use mapping::check as check_maps;

/// The result of a census.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CensusCount {
    /// Number of occurrences of the needle.
    pub occurrences: u64,
    /// Bytes of memory that were read.
    pub scanned: u64,
    /// Whether all writable memory was read, except for a small part: a few pages in swap, or released meanwhile.
    pub is_complete: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Counts `needle`, as it is and as UTF-16, in the writable memory of `processes`, for at most 2 s and 8 GiB.
///
/// `None` if none of the memory may be read: see [`CensusScope`].
pub fn census<'a>(processes: impl IntoIterator<Item = &'a Process>, needle: &[u8]) -> Option<CensusCount> {
    let mut scan = Scan::new(needle);
    let mut is_visible = false;
    for process in processes {
        match scan.process(process) {
            Ok(()) => is_visible = true,
            // It has exited, and so its memory is gone.
            Err(_) if process.has_exited() => {}
            Err(_) => scan.is_cut = true,
        }
    }
    is_visible.then(|| scan.finish())
}

/// A census in progress.
struct Scan {
    searcher: Searcher,
    started: Instant,
    /// The pages of files in shared mappings that were read: one bit for each of 64 neighbours.
    shared: BTreeMap<(FileId, u64), u64>,
    occurrences: u64,
    scanned: u64,
    /// Bytes that should have been read and were not.
    unread: u64,
    /// Whether a limit or a refusal left out an unknown amount of memory.
    is_cut: bool,
}

impl Scan {
    fn new(needle: &[u8]) -> Scan {
        Scan {
            searcher: Searcher::new(needle, PIECE as usize),
            started: Instant::now(),
            shared: BTreeMap::new(),
            occurrences: 0,
            scanned: 0,
            unread: 0,
            is_cut: false,
        }
    }

    fn process(&mut self, process: &Process) -> io::Result<()> {
        let open = |name| File::open(path(process.pid(), name));
        let (memory, pagemap, maps) = (open("mem")?, open("pagemap")?, open("maps")?);
        // The files were opened by pid: check that it still was this process.
        if process.has_exited() {
            return Err(io::ErrorKind::NotFound.into());
        }
        for line in BufReader::new(maps).split(b'\n') {
            if let Some(mapping) = Mapping::parse(&line?).filter(Mapping::may_hold_payload) {
                self.mapping(&mapping, &memory, &pagemap);
            }
        }
        Ok(())
    }

    fn mapping(&mut self, mapping: &Mapping, memory: &File, pagemap: &File) {
        let page_size = sys::page_size();
        let mut entries = Vec::new();
        for start in mapping.addresses.clone().step_by(PIECE as usize) {
            self.is_cut |= self.scanned >= MAX_SCANNED || self.started.elapsed() >= MAX_TIME;
            if self.is_cut {
                return;
            }
            let end = mapping.addresses.end.min(start.saturating_add(PIECE));
            entries.resize(((end - start) / page_size) as usize * Page::ENTRY_SIZE, 0);
            let offset = start / page_size * Page::ENTRY_SIZE as u64;
            // Fewer if it has exited meanwhile.
            let known = sys::read_at(pagemap, &mut entries, offset).unwrap_or(0) / Page::ENTRY_SIZE;
            self.unread += end - start - known as u64 * page_size;
            let pages = entries.chunks_exact(Page::ENTRY_SIZE).map(Page::parse).take(known);
            // Neighbours are read at once.
            let mut run = start..start;
            for (address, page) in (start..end).step_by(page_size as usize).zip(pages) {
                if !self.wants(page, mapping, address) {
                    continue;
                }
                if address != run.end {
                    self.read(run.start, run.end, memory);
                    run = address..address;
                }
                run.end += page_size;
            }
            self.read(run.start, run.end, memory);
        }
    }

    /// Whether a page is to be read now.
    fn wants(&mut self, page: Page, mapping: &Mapping, address: u64) -> bool {
        if page.is_swapped() {
            // Reading it would bring it back into RAM.
            self.unread += sys::page_size();
        }
        let Some(file) = mapping.shared else {
            // A page of a file that is mapped privately is a copy as soon as the process writes to it.
            return page.is_present() && !page.is_of_file();
        };
        if !page.is_present() {
            return false;
        }
        let number = (mapping.file_offset + (address - mapping.addresses.start)) / sys::page_size();
        let read = self.shared.entry((file, number / 64)).or_default();
        let is_new = *read & (1 << (number % 64)) == 0;
        *read |= 1 << (number % 64);
        is_new
    }

    fn read(&mut self, start: u64, end: u64, memory: &File) {
        let length = end - start;
        let read = self.searcher.read(start, length as usize, memory).unwrap_or_default();
        self.scanned += read.bytes as u64;
        self.unread += length - read.bytes as u64;
        self.occurrences += read.occurrences as u64;
    }

    fn finish(self) -> CensusCount {
        CensusCount {
            occurrences: self.occurrences,
            scanned: self.scanned,
            is_complete: !self.is_cut && self.unread <= MAX_UNREAD.max(self.scanned / MAX_UNREAD_PART),
            seconds: self.started.elapsed().as_secs_f64(),
        }
    }
}

/// Bytes that are read at once: they fit into the processor's cache, and the time is checked often enough.
const PIECE: u64 = 1 << 20;

/// Bytes after which a census ends: at 4 GB/s, about as many as [`MAX_TIME`] allows.
const MAX_SCANNED: u64 = 8 << 30;

/// Time after which a census ends: the server goes on meanwhile, and an audit has to end.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Unread bytes, and the part of all bytes, up to which a census is complete: far less than a queue that an audit reports.
const MAX_UNREAD: u64 = 1 << 20;
const MAX_UNREAD_PART: u64 = 64;
