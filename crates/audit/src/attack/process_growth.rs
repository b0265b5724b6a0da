//! The process that grew most, where several are measured.

use std::collections::BTreeMap;

use echoctl_observe::Process;
use echoctl_record::GrownProcess;

/// The growth of single processes, at the time at which all together had most memory.
#[derive(Debug, Default)]
pub(super) struct ProcessGrowth {
    /// What each used at the beginning. A process that started since had used nothing.
    base: BTreeMap<ProcessId, u64>,
    peak: u64,
    grown: Option<GrownProcess>,
}

/// A pid, and when the process started: a pid may be used again.
type ProcessId = (u32, u64);

impl ProcessGrowth {
    /// Measures from what each process uses now, in bytes.
    pub(super) fn since<'a>(used: impl Iterator<Item = (&'a Process, u64)>) -> ProcessGrowth {
        let base = used.map(|(process, bytes)| (id(process), bytes)).collect();
        ProcessGrowth { base, ..ProcessGrowth::default() }
    }

    /// Looks at a sample, in which all processes together have `total` bytes.
    pub(super) fn update<'a>(&mut self, total: u64, used: impl Iterator<Item = (&'a Process, u64)>) {
        if total <= self.peak {
            return;
        }
        self.peak = total;
        let growth = |(process, bytes): (&'a Process, u64)| {
            (process, bytes.saturating_sub(self.base.get(&id(process)).copied().unwrap_or(0)))
        };
        let all: Vec<_> = used.map(growth).collect();
        let most = all.iter().max_by_key(|(_, bytes)| *bytes);
        self.grown =
            most.filter(|(_, bytes)| all.len() > 1 && *bytes >= MIN_GROWTH).map(|(process, bytes)| {
                GrownProcess {
                    name: process.name().to_owned(),
                    pid: process.pid(),
                    bytes: *bytes,
                    processes: u32::try_from(all.len()).unwrap_or(u32::MAX),
                }
            });
    }

    /// The one that had grown most; `None` if only one was measured, or none grew.
    pub(super) fn grown(&self) -> Option<GrownProcess> {
        self.grown.clone()
    }
}

fn id(process: &Process) -> ProcessId {
    (process.pid(), process.started())
}

/// Growth in bytes of a process that is at rest, at most.
const MIN_GROWTH: u64 = 1 << 20;
