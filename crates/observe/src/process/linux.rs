//! Linux: `/proc/PID`, with the files kept open.
//!
//! An open file of `/proc/PID` belongs to that process for good: when the process ends, reading it fails, even if another
//! has got the pid by then. And reading an open `statm` costs 1 µs, opening it each time 6.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::text::{self, Stat, Statm, Status};
use super::{Memory, pids};
use crate::Error;
use crate::proc_file::{read_bytes, read_text};
use crate::sys;

/// A process that is being watched.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    uid: u32,
    name: String,
    started: u64,
    page: u64,
    statm: File,
    stat: File,
    status: File,
    /// `shared` of statm when `other_memory` was read.
    shared_pages: u64,
    /// The parts of the memory that statm does not tell apart or does not have.
    other_memory: Memory,
}

impl Process {
    /// Opens the files of a running process.
    ///
    /// # Errors
    /// [`Error::NoProcess`] when it does not run (any more), [`Error::Kernel`] when `/proc` hides it.
    pub fn open(pid: u32) -> Result<Process, Error> {
        let open = |name: &str| {
            File::open(path(pid, name)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NoProcess { pid },
                _ => Error::Kernel { operation: "open the process's files in /proc", error },
            })
        };
        let (statm, stat, status) = (open("statm")?, open("stat")?, open("status")?);
        let now: Stat = read(&stat, Stat::parse).map_err(|_| Error::NoProcess { pid })?;
        if now.has_exited() {
            return Err(Error::NoProcess { pid });
        }
        let owner: Status = read(&status, Status::parse).map_err(|_| Error::NoProcess { pid })?;
        Ok(Process {
            pid,
            uid: owner.uid,
            name: now.name,
            started: now.started,
            page: sys::page_size(),
            statm,
            stat,
            status,
            shared_pages: u64::MAX,
            other_memory: Memory::default(),
        })
    }

    /// Its memory now, for 1 µs. Swap is as it was at the last [`Process::refresh`]; shared memory is read anew whenever
    /// the shared pages have changed.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn memory(&mut self) -> io::Result<Memory> {
        let statm: Statm = read(&self.statm, Statm::parse)?;
        if statm.resident == 0 {
            // A process without pages has freed them all by ending: a zombie is still in /proc.
            return Err(io::ErrorKind::NotFound.into());
        }
        if statm.shared != self.shared_pages {
            self.shared_pages = statm.shared;
            self.refresh()?;
        }
        Ok(Memory { anonymous: statm.anonymous().saturating_mul(self.page), ..self.other_memory })
    }

    /// Reads what a sample has no time for: shared memory and swap, and the name, which a new process changes when it begins
    /// to run its program. 12 µs.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn refresh(&mut self) -> io::Result<()> {
        let status: Status = read(&self.status, Status::parse)?;
        self.other_memory = Memory { anonymous: 0, shared: status.shared_memory, swapped: status.swapped };
        let stat: Stat = read(&self.stat, Stat::parse)?;
        if stat.name != self.name {
            self.name = stat.name;
        }
        Ok(())
    }

    /// Processor time that it has used, in steps of 10 ms.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let stat: Stat = read(&self.stat, Stat::parse)?;
        if stat.has_exited() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Duration::from_millis(stat.ticks.saturating_mul(1000) / sys::clock_ticks()))
    }

    /// Bytes that it has caused to be written to disk. `None` for a process of another user.
    pub fn disk_written(&self) -> Option<u64> {
        let text = read_bytes(path(self.pid, "io"))?;
        // The file was opened by the pid's number: make sure that it was still this process's.
        if self.has_exited() { None } else { text::disk_written(&text) }
    }

    /// Whether it has ended.
    pub fn has_exited(&self) -> bool {
        read(&self.stat, Stat::parse).map_or(true, |stat: Stat| stat.has_exited())
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The user that it runs as.
    pub fn uid(&self) -> Option<u32> {
        Some(self.uid)
    }

    /// The program's name, at most 15 bytes of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it started, in a unit of the system's: with the pid, its identity.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The pids of its children now; none once it has ended.
    pub fn children(&self) -> Vec<u32> {
        let few_threads =
            read(&self.stat, Stat::parse).is_ok_and(|stat: Stat| stat.threads <= MAX_LISTED_THREADS);
        let listed = if few_threads { self.listed_children() } else { None };
        let children = listed.unwrap_or_else(|| children_by_parent(self.pid));
        // They were looked up by its number, which is another process's once this one has ended.
        if self.has_exited() { Vec::new() } else { children }
    }

    /// Children as each thread lists those that it started; `None` where the kernel was built without that.
    fn listed_children(&self) -> Option<Vec<u32>> {
        let mut children = Vec::new();
        let mut any = false;
        for thread in std::fs::read_dir(path(self.pid, "task")).ok()?.flatten() {
            if let Some(text) = read_text(thread.path().join("children")) {
                any = true;
                children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        any.then_some(children)
    }
}

/// Children as all processes of the system name their parent: 10 µs a process, where listing costs 6 µs a thread.
fn children_by_parent(parent: u32) -> Vec<u32> {
    pids()
        .filter(|&pid| {
            let stat = read_bytes(path(pid, "stat")).and_then(|text| Stat::parse(&text));
            stat.is_some_and(|stat| stat.parent == parent)
        })
        .collect()
}

/// Reads an open file of `/proc` from its start and parses it.
fn read<T>(file: &File, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
    // 4 KiB hold any of the three files in practice, and the lines needed stand in front.
    let mut text = [0; 4096];
    let length = file.read_at(&mut text, 0)?;
    parse(&text[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// With more threads than this, asking all processes for their parent is cheaper than all threads for their children.
const MAX_LISTED_THREADS: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_is_seen_and_memory_that_is_only_reserved_is_not() {
        let mut this = Process::open(std::process::id()).unwrap();
        const SIZE: usize = 64 << 20;
        let before = this.memory().unwrap();
        let mut heap: Vec<u8> = Vec::with_capacity(SIZE);
        let reserved = this.memory().unwrap();

        heap.resize(SIZE, 1);
        std::hint::black_box(&heap);
        let touched = this.memory().unwrap();

        // Other tests of this process run meanwhile: half the size is room enough for what they allocate.
        assert!(reserved.anonymous < before.anonymous + SIZE as u64 / 2, "{before:?} {reserved:?}");
        assert!(touched.anonymous > before.anonymous + SIZE as u64 / 2, "{before:?} {touched:?}");
    }

    #[test]
    fn a_pid_that_nobody_has_is_said_to_be_nobodys() {
        // Linux gives out pids up to 4,194,304 at most.
        assert!(matches!(Process::open(4_194_305), Err(Error::NoProcess { pid: 4_194_305 })));
    }

    #[test]
    fn an_ended_process_is_not_taken_for_a_running_one_before_or_after_it_is_waited_for() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Process::open(child.id()).unwrap();
        assert!(!process.has_exited());
        assert!(process.memory().is_ok());

        drop(child.stdin.take());
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !process.has_exited() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(process.has_exited(), "cat ends with its input, a zombie until it is waited for");
        assert!(process.memory().is_err());
        assert!(matches!(Process::open(child.id()), Err(Error::NoProcess { .. })));

        child.wait().unwrap();
        assert!(process.has_exited() && process.memory().is_err() && process.processor_time().is_err());
    }
}
