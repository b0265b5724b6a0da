//! The last seconds of each process: how its memory grows, and what it writes to disk.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use echoctl_record::{NodeKind, ProcessNode};

use crate::Process;

/// Memory and disk writes of the processes in the map.
#[derive(Debug, Default)]
pub(super) struct MemoryHistory {
    processes: HashMap<u32, Measured>,
    samples: u64,
}

/// A process, and what it had in the last seconds.
#[derive(Debug)]
struct Measured {
    process: Process,
    readings: VecDeque<(Instant, Usage)>,
    seen: u64,
}

#[derive(Debug, Clone, Copy)]
struct Usage {
    memory: u64,
    disk_written: Option<u64>,
}

impl MemoryHistory {
    /// Measures the processes of each node.
    pub(super) fn update(&mut self, nodes: &mut [ProcessNode], now: Instant) {
        self.samples += 1;
        for node in nodes.iter_mut().filter(|node| node.kind == NodeKind::Process) {
            let usages: Option<Vec<&Measured>> = {
                for &pid in &node.pids {
                    self.measure(pid, now);
                }
                node.pids.iter().map(|pid| self.processes.get(pid)).collect()
            };
            let Some(processes) = usages else { continue };
            let last = |measured: &&Measured| measured.readings.back().map_or(0, |(_, usage)| usage.memory);
            node.memory = Some(processes.iter().map(last).sum());
            node.memory_growth = processes.iter().map(|one| one.growth(|usage| Some(usage.memory))).sum();
            node.growth_seconds = processes.iter().map(|one| one.seconds()).reduce(f64::min);
            node.disk_rate = processes.iter().map(|one| one.growth(|usage| usage.disk_written)).sum();
            node.is_suspended = processes.iter().any(|one| one.process.is_suspended());
        }
        self.processes.retain(|_, measured| measured.seen == self.samples);
    }

    /// Adds a reading of a process; one that has exited is dropped.
    fn measure(&mut self, pid: u32, now: Instant) {
        let is_same = |measured: &Measured| !measured.process.has_exited();
        if !self.processes.get(&pid).is_some_and(is_same) {
            self.processes.remove(&pid);
            let Ok(process) = Process::open(pid) else { return };
            self.processes.insert(pid, Measured { process, readings: VecDeque::new(), seen: 0 });
        }
        let Some(measured) = self.processes.get_mut(&pid) else { return };
        measured.seen = self.samples;
        // Swap and the like are as of the last reading if they cannot be read again.
        let _ = measured.process.refresh();
        if let Ok(memory) = measured.process.memory() {
            let usage = Usage { memory: memory.total(), disk_written: measured.process.disk_written() };
            measured.readings.push_back((now, usage));
            while measured.readings.get(1).is_some_and(|(at, _)| now - *at >= GROWTH_WINDOW) {
                measured.readings.pop_front();
            }
        }
    }
}

impl Measured {
    /// The seconds that are known.
    fn seconds(&self) -> f64 {
        let ends = self.readings.front().zip(self.readings.back());
        ends.map_or(0.0, |((from, _), (to, _))| (*to - *from).as_secs_f64())
    }

    /// Growth per second over the last seconds; `None` before a second has passed, or if it is not visible.
    fn growth(&self, amount: fn(Usage) -> Option<u64>) -> Option<f64> {
        let ((from, first), (to, last)) = (*self.readings.front()?, *self.readings.back()?);
        let seconds = (to - from).as_secs_f64();
        let growth = amount(last)? as f64 - amount(first)? as f64;
        (seconds >= MIN_GROWTH_WINDOW.as_secs_f64()).then(|| growth / seconds)
    }
}

/// Time over which growth of memory is averaged: longer than the interval between two garbage collections of a busy process.
const GROWTH_WINDOW: Duration = Duration::from_secs(10);
const MIN_GROWTH_WINDOW: Duration = Duration::from_secs(1);
