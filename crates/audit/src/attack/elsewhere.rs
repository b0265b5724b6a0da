//! Memory that a server uses outside of its processes: files that it writes, and files in memory.

use std::collections::BTreeMap;

use echoctl_observe::{FileGrowth, Process, shared_memory};
use echoctl_record::Evidence;

/// What a server stores elsewhere, since the attack began.
#[derive(Debug)]
pub(super) struct Elsewhere {
    files: FileGrowth,
    file_growth: Option<u64>,
    /// Shared memory of the machine at the start, in bytes, without what the server had mapped.
    shared: Option<u64>,
    /// The largest growth of it that may be the server's.
    shared_growth: Option<u64>,
    /// Bytes that each of the server's processes had passed to write calls at the start, by pid.
    written: BTreeMap<u32, u64>,
}

impl Elsewhere {
    /// Begins with the files that `processes` have open, and the shared memory that they have `mapped`, in bytes.
    pub(super) fn new(processes: &[&Process], mapped: u64) -> Elsewhere {
        let written = processes.iter().map(|process| (process.pid(), process.written().unwrap_or(0)));
        Elsewhere {
            written: written.collect(),
            files: FileGrowth::new(processes.iter().copied()),
            file_growth: None,
            shared: unmapped(mapped),
            shared_growth: None,
        }
    }

    /// Looks again.
    pub(super) fn update(&mut self, processes: &[&Process], mapped: u64) {
        let growth = unmapped(mapped).zip(self.shared).map(|(now, start)| now.saturating_sub(start));
        // Other programs may have stored the rest.
        let most = self.written_since(processes);
        self.shared_growth = self.shared_growth.max(growth.zip(most).map(|(growth, most)| growth.min(most)));
        self.file_growth = self.files.update(processes.iter().copied());
    }

    /// What the processes have passed to write calls since the start; `None` if that is not visible of any of them.
    fn written_since(&self, processes: &[&Process]) -> Option<u64> {
        let since = |process: &&Process| {
            let start = self.written.get(&process.pid()).copied().unwrap_or(0);
            Some(process.written()?.saturating_sub(start))
        };
        processes.iter().filter_map(since).reduce(u64::saturating_add)
    }

    /// Completes the evidence.
    pub(super) fn add_to(&self, evidence: &mut Evidence) {
        evidence.open_file_growth = self.file_growth;
        evidence.shared_memory_growth = self.shared_growth;
    }
}

/// The shared memory of this machine without what a server has mapped, which counts as its memory.
fn unmapped(mapped: u64) -> Option<u64> {
    Some(shared_memory()?.saturating_sub(mapped))
}
