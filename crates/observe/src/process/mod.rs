//! Processes: what a server holds, in bytes that are its own.
//!
//! Memory is counted as **anonymous** pages (heap, stacks), since that is where queues live: the resident set also has
//! tens of megabytes of shared program files in it, and would be a wrong base line. Beside it stand **shared memory**
//! (memfd, `/dev/shm`, some Java heaps), and **swap**, without which a queue that was swapped out looks freed.

mod pids;
pub use pids::{pids, socket_inodes};

mod tree;
pub use tree::{ProcessTree, TreeReading};

#[cfg(target_os = "linux")]
mod text;
#[cfg(all(target_os = "linux", any(test, fuzzing)))]
pub(crate) use text::check_texts;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod system;

pub use system::Process;

/// Memory of one process or of a tree of them, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Anonymous pages in memory (Linux RssAnon; elsewhere the private footprint).
    pub anonymous: u64,
    /// Shared memory in memory (Linux RssShmem; elsewhere 0). Of a tree: the largest of its processes, since the same
    /// pages are counted in each that maps them.
    pub shared: u64,
    /// Anonymous pages that were swapped out (Linux VmSwap; elsewhere 0).
    pub swapped: u64,
}

impl Memory {
    /// All of it: what the process would free by ending, program files aside.
    pub fn total(self) -> u64 {
        self.anonymous.saturating_add(self.shared).saturating_add(self.swapped)
    }
}
