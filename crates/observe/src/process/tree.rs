//! A process tree: a server, its workers, and the processes that they start.
//!
//! It is scanned four times per second, because some servers start one process per connection (inetd, socat, CGI),
//! which then buffers the data. A member stays one, even if its parent exits first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use super::{Memory, Process};
use crate::Error;

/// The processes of a server, measured as one.
#[derive(Debug)]
pub struct ProcessTree {
    roots: Vec<u32>,
    /// Processes whose descendants are members, without being members themselves.
    parents: Vec<Process>,
    members: BTreeMap<u32, Member>,
    /// When the tree was last scanned, and the interval to the next scan.
    last_scan: Instant,
    scan_interval: Duration,
    /// Processor time and disk writes of members that have exited, so that the sums never decrease.
    exited: Totals,
    exited_roots: Vec<u32>,
}

/// Exits among the processes from which a tree was created, which for a server are those that listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootExit {
    /// At least this one of several.
    One(u32),
    /// All of them, and this one first in the order in which they were given.
    All(u32),
}

impl RootExit {
    /// The process whose exit ended the server, if it has ended.
    ///
    /// One of several processes that have the listener open may be a child that is about to run another program, or a worker
    /// without a connection of ours. Its exit ends the server only if a connection was closed too, as far as the caller knows.
    pub fn of_server(self, has_closed: bool) -> Option<u32> {
        match self {
            RootExit::All(pid) => Some(pid),
            RootExit::One(pid) => has_closed.then_some(pid),
        }
    }
}

/// State of a tree: sums over its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeReading {
    /// Number of running processes.
    pub processes: u32,
    /// Their memory.
    pub memory: Memory,
    /// Processor time used so far, including exited processes. As of the last scan, at most a quarter of a second
    /// ago.
    pub processor_time: Duration,
    /// Bytes written to disk so far, including exited processes; `None` if not visible (a process of another user).
    /// As of the last scan.
    pub disk_written: Option<u64>,
    /// Number of suspended processes (see [`Process::is_suspended`]), as of the last scan.
    pub suspended: u32,
    /// Which of the processes from which the tree was created have exited or are exiting, if any. If a process has closed a connection
    /// because it was killed, it is one of these: its memory ends before its files are closed.
    pub exited: Option<RootExit>,
}

impl ProcessTree {
    /// The tree below the given processes, all of which must be running.
    ///
    /// # Errors
    /// If one of them is not running or not visible.
    pub fn new(roots: impl IntoIterator<Item = u32>) -> Result<ProcessTree, Error> {
        let mut tree = ProcessTree {
            roots: Vec::new(),
            parents: Vec::new(),
            members: BTreeMap::new(),
            last_scan: Instant::now(),
            scan_interval: SCAN_INTERVAL,
            exited: Totals::default(),
            exited_roots: Vec::new(),
        };
        for pid in roots {
            tree.roots.push(pid);
            tree.members.insert(pid, Member::new(Process::open(pid)?));
        }
        tree.rescan();
        Ok(tree)
    }

    /// Adds a process and its descendants, unless it is already a member.
    ///
    /// # Errors
    /// If it is not running or not visible.
    pub fn add(&mut self, pid: u32) -> Result<(), Error> {
        if let Entry::Vacant(place) = self.members.entry(pid) {
            place.insert(Member::new(Process::open(pid)?));
        }
        Ok(())
    }

    /// Adds the descendants of `parent`, now and at each later scan, but not `parent` itself: the processes that a
    /// supervisor started, and the orphans that it adopts.
    ///
    /// # Errors
    /// If `parent` is not running or not visible.
    pub fn add_below(&mut self, parent: u32) -> Result<(), Error> {
        self.parents.push(Process::open(parent)?);
        self.rescan();
        Ok(())
    }

    /// Measures the tree: less than 1 µs per process, plus 25 µs for each of the four scans per second.
    pub fn read(&mut self) -> TreeReading {
        if self.last_scan.elapsed() >= self.scan_interval {
            self.rescan();
        }
        let Totals { processor_time, disk_written } = self.exited;
        let mut reading = TreeReading { processor_time, disk_written, ..TreeReading::default() };
        for member in self.members.values_mut() {
            reading.processor_time += member.totals.processor_time;
            reading.disk_written = sum(reading.disk_written, member.totals.disk_written);
            member.memory = member.process.memory().ok();
            // A process that has just exited is removed at the next scan.
            let Some(memory) = member.memory else { continue };
            reading.processes += 1;
            reading.suspended += u32::from(member.is_suspended);
            reading.memory.anonymous += memory.anonymous;
            reading.memory.swapped += memory.swapped;
            reading.memory.shared = reading.memory.shared.max(memory.shared);
        }
        reading.exited = self.exited_roots();
        reading
    }

    /// Scans now: adds new members, removes exited ones, and reads the values that change slowly.
    pub fn rescan(&mut self) {
        self.last_scan = Instant::now();
        let mut unseen: Vec<u32> = self.members.keys().copied().collect();
        let below: Vec<u32> = self.parents.iter().flat_map(Process::children).collect();
        for child in below {
            self.admit(child, &mut unseen);
        }
        while let Some(pid) = unseen.pop() {
            let Some(member) = self.members.get_mut(&pid) else { continue };
            if member.process.has_exited() {
                self.exited.add(member.totals);
                if self.roots.contains(&pid) {
                    self.exited_roots.push(pid);
                }
                self.members.remove(&pid);
                continue;
            }
            member.update();
            for child in member.process.children() {
                self.admit(child, &mut unseen);
            }
        }
        self.scan_interval = (self.last_scan.elapsed() * SCAN_SHARE).max(SCAN_INTERVAL);
    }

    /// Adds `pid`, unless it is a member. A child that has already exited is ignored.
    fn admit(&mut self, pid: u32, unseen: &mut Vec<u32>) {
        if !self.members.contains_key(&pid)
            && let Ok(process) = Process::open(pid)
        {
            self.members.insert(pid, Member::new(process));
            unseen.push(pid);
        }
    }

    /// Its running members by pid, as of the last scan.
    pub fn members(&self) -> impl Iterator<Item = &Process> {
        self.members.values().map(|member| &member.process)
    }

    /// Its members with their memory, as of the last [`ProcessTree::read`].
    pub fn memory_by_process(&self) -> impl Iterator<Item = (&Process, Memory)> {
        self.members.values().filter_map(|member| Some((&member.process, member.memory?)))
    }

    /// Its suspended members (see [`Process::is_suspended`]), as of the last scan.
    pub fn suspended(&self) -> impl Iterator<Item = u32> {
        self.members.iter().filter(|(_, member)| member.is_suspended).map(|(pid, _)| *pid)
    }

    /// Which roots have exited, as of the last reading of their memory.
    fn exited_roots(&self) -> Option<RootExit> {
        let is_gone = |pid: &&u32| {
            self.exited_roots.contains(pid)
                || self.members.get(pid).is_none_or(|member| member.memory.is_none())
        };
        let mut exited = self.roots.iter().filter(is_gone);
        let first = *exited.next()?;
        let all = exited.count() + 1 == self.roots.len();
        Some(if all { RootExit::All(first) } else { RootExit::One(first) })
    }

    /// The name of the first root, while it runs.
    pub fn name(&self) -> Option<&str> {
        let first = self.members.get(self.roots.first()?)?;
        Some(first.process.name()).filter(|name| !name.is_empty())
    }
}

/// A process of the tree, and its sums as of the last scan.
#[derive(Debug)]
struct Member {
    process: Process,
    totals: Totals,
    is_suspended: bool,
    /// In the last reading; `None` if it had no memory any more.
    memory: Option<Memory>,
}

impl Member {
    fn new(process: Process) -> Member {
        let mut member = Member { process, totals: Totals::default(), is_suspended: false, memory: None };
        member.update();
        member
    }

    fn update(&mut self) {
        // If a system does not show one of these, it still shows memory.
        let _ = self.process.refresh();
        if let Ok(time) = self.process.processor_time() {
            self.totals.processor_time = time.total();
        }
        self.is_suspended = self.process.is_suspended();
        let disk_written = self.process.disk_written();
        // If it has exited meanwhile, the last value is correct.
        if disk_written.is_some() || !self.process.has_exited() {
            self.totals.disk_written = disk_written;
        }
    }
}

/// Sums that only grow.
#[derive(Debug, Clone, Copy)]
struct Totals {
    processor_time: Duration,
    disk_written: Option<u64>,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.processor_time += other.processor_time;
        self.disk_written = sum(self.disk_written, other.disk_written);
    }
}

impl Default for Totals {
    fn default() -> Totals {
        Totals { processor_time: Duration::ZERO, disk_written: Some(0) }
    }
}

/// The sum; `None` if a part is not visible.
fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a? + b?)
}

/// Scans use at most one part in this many of a core, whatever the number of processes.
const SCAN_SHARE: u32 = 20;

/// Interval between scans. A new process can buffer at most a quarter of a second's bytes unnoticed. A scan costs
/// some 100 µs, so this takes 0.05 % of a core.
const SCAN_INTERVAL: Duration = Duration::from_millis(250);
