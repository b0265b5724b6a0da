//! What every process of this host used when the attack began.
//!
//! A relay connects to the server behind it only when it is needed, and that may have buffered much by the time that it is found.
//! So its growth is measured against a value from before.

use std::collections::{BTreeMap, BTreeSet};

use echoctl_observe::{Process, pids};

/// The memory and disk writes of all visible processes at one time: takes 100 µs per process.
#[derive(Debug, Default)]
pub(super) struct Baseline(BTreeMap<ProcessId, Usage>);

/// A pid, and when the process started: a pid may be used again.
type ProcessId = (u32, u64);

/// What a process uses, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) memory: u64,
    /// The part of the memory that is shared.
    pub(super) shared: u64,
    /// Bytes written to disk so far; 0 if not visible.
    pub(super) disk_written: u64,
}

impl Baseline {
    pub(super) fn now() -> Baseline {
        let usage = |pid| {
            let mut process = Process::open(pid).ok()?;
            Some(((pid, process.started()), Usage::of(&mut process)?))
        };
        Baseline(pids().filter_map(usage).collect())
    }

    /// What a process had used then, but never more than it uses now.
    pub(super) fn of(&self, process: &mut Process) -> Usage {
        let now = Usage::of(process).unwrap_or_default();
        let before = self.0.get(&(process.pid(), process.started())).copied();
        before.or_else(|| self.of_parent(process)).map_or(now, |before| before.at_most(now))
    }

    /// The processes that use at least `least` bytes of memory more than then, but for those in `known`.
    pub(super) fn grown(&self, least: u64, known: &BTreeSet<u32>) -> Vec<(Process, Usage)> {
        let growth = |pid| {
            let mut process = Process::open(pid).ok()?;
            let growth = Usage::of(&mut process)?.since(self.of(&mut process));
            (growth.memory >= least).then_some((process, growth))
        };
        pids().filter(|pid| !known.contains(pid)).filter_map(growth).collect()
    }

    /// What a process had in common with its parent, as a copy of which it was started since.
    fn of_parent(&self, process: &Process) -> Option<Usage> {
        let parent = process.parent().ok()?;
        let (_, usage) = self.0.range((parent, 0)..=(parent, u64::MAX)).next()?;
        Some(Usage { disk_written: 0, ..*usage })
    }
}

impl Usage {
    /// What a process uses now; `None` if it has exited.
    pub(super) fn of(process: &mut Process) -> Option<Usage> {
        let memory = process.memory().ok()?;
        let disk_written = process.disk_written().unwrap_or(0);
        Some(Usage { memory: memory.total(), shared: memory.shared, disk_written })
    }

    /// What was added since `base`.
    pub(super) fn since(self, base: Usage) -> Usage {
        self.combine(base, u64::saturating_sub)
    }

    pub(super) fn plus(self, other: Usage) -> Usage {
        self.combine(other, u64::saturating_add)
    }

    fn at_most(self, other: Usage) -> Usage {
        self.combine(other, u64::min)
    }

    fn combine(self, other: Usage, with: fn(u64, u64) -> u64) -> Usage {
        Usage {
            memory: with(self.memory, other.memory),
            shared: with(self.shared, other.shared),
            disk_written: with(self.disk_written, other.disk_written),
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn growth_is_measured_from_the_time_of_the_baseline() {
        let mut this = Process::open(std::process::id()).unwrap();
        let baseline = Baseline::now();

        let heap = std::hint::black_box(vec![1; 64 << 20]);
        let base = baseline.of(&mut this);
        let growth = Usage::of(&mut this).unwrap().since(base);

        // Other tests allocate and free memory meanwhile.
        assert!(growth.memory > 32 << 20, "{growth:?}");
        drop(heap);
    }

    #[test]
    fn a_process_without_a_baseline_has_not_grown() {
        let mut this = Process::open(std::process::id()).unwrap();

        let base = Baseline::default().of(&mut this);

        assert!(base.memory > 0 && base.at_most(Usage::default()) == Usage::default());
        assert_eq!(base.since(base.plus(base)), Usage::default());
    }
}
