//! Memory that a server uses outside of its processes: files that it writes, and files in memory.

use echoctl_observe::{FileGrowth, Process, shared_memory};
use echoctl_record::Evidence;

/// What a server stores elsewhere, since the attack began.
#[derive(Debug)]
pub(super) struct Elsewhere {
    files: FileGrowth,
    /// The machine's shared memory that the server has not mapped, in bytes.
    shared: Option<u64>,
    /// The largest growth so far.
    file_growth: Option<u64>,
    shared_growth: Option<u64>,
}

impl Elsewhere {
    /// Begins with the files that `processes` have open, and the shared memory that they have `mapped`, in bytes.
    pub(super) fn new<'a>(processes: impl IntoIterator<Item = &'a Process>, mapped: u64) -> Elsewhere {
        let files = FileGrowth::new(processes);
        Elsewhere { files, shared: unmapped(mapped), file_growth: None, shared_growth: None }
    }

    /// Looks again.
    pub(super) fn update<'a>(&mut self, processes: impl IntoIterator<Item = &'a Process>, mapped: u64) {
        self.file_growth = self.files.update(processes);
        let growth = unmapped(mapped).zip(self.shared).map(|(now, start)| now.saturating_sub(start));
        self.shared_growth = self.shared_growth.max(growth);
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
