//! Memory, processor time and disk writes of processes.
//!
//! Memory is counted as **anonymous** pages (heap, stacks), since these hold the queues. The resident set also
//! contains tens of megabytes of shared program files, and would be a wrong baseline. **Shared memory** (memfd,
//! `/dev/shm`, some Java heaps) and **swap** are added; without swap, a queue that was swapped out would look freed.

use std::time::Duration;

mod census;
mod file_growth;
mod one_process;
mod owner;
mod pids;
mod script;
mod socket_owners;
mod text;
mod thread;
mod tree;

pub use crate::sys::{raise_descriptor_limit, thread_processor_time};
#[cfg(any(test, fuzzing))]
pub(crate) use census::check_maps;
pub use census::{CensusCount, CensusScope, census};
pub use file_growth::FileGrowth;
pub use one_process::{Process, own_anonymous_memory};
pub use owner::{Owner, owners_text};
pub use pids::{holders, pids, sees_files, socket_inodes, standard_socket_inodes};
pub(crate) use pids::{own_socket_inode, process_of};
pub(crate) use script::with_script;
pub use socket_owners::SocketOwners;
#[cfg(any(test, fuzzing))]
pub(crate) use text::check_texts;
pub use thread::start_thread;
pub use tree::{ProcessTree, RootExit, TreeReading};

/// Memory of one process or of a process tree, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Anonymous pages in RAM (Linux RssAnon; elsewhere the private footprint).
    pub anonymous: u64,
    /// Shared memory in RAM (Linux RssShmem; elsewhere 0). Of a tree: the largest value of its processes, since each
    /// process that maps the same pages counts them.
    pub shared: u64,
    /// Anonymous pages that are swapped out (Linux VmSwap; elsewhere 0).
    pub swapped: u64,
}

/// Processor time that a process has used, in steps of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessorTime {
    /// In user mode.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl ProcessorTime {
    /// The total.
    pub fn total(self) -> Duration {
        self.user.saturating_add(self.system)
    }
}

impl Memory {
    /// The total: what would become free if the process exited, except for program files.
    pub fn total(self) -> u64 {
        self.anonymous.saturating_add(self.shared).saturating_add(self.swapped)
    }
}

/// The user that runs this program.
pub fn own_uid() -> Option<u32> {
    Process::open(std::process::id()).ok()?.uid()
}
