//! Reads `/proc/PID` on Linux, with the files kept open.
//!
//! An open file of `/proc/PID` stays bound to that process: after its exit, reads fail, even if another process has
//! got the pid. Besides, reading an open `statm` costs 1 µs, and opening it each time 6 µs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::text::{self, Stat, Statm, Status};
use super::{Memory, ProcessorTime, pids};
use crate::Error;
use crate::proc_file::{read_bytes, read_text};
use crate::sys;

/// A process to be measured.
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
    /// The parts of the memory that statm does not show separately or at all.
    other_memory: Memory,
}

impl Process {
    /// Opens the files of a running process.
    ///
    /// # Errors
    /// [`Error::NoProcess`] if it is not running, [`Error::Kernel`] if `/proc` hides it.
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

    /// Its memory now, for 1 µs. Swap is as of the last [`Process::refresh`]; shared memory is read whenever the
    /// number of shared pages has changed.
    ///
    /// # Errors
    /// If the process has exited.
    pub fn memory(&mut self) -> io::Result<Memory> {
        let statm: Statm = read(&self.statm, Statm::parse)?;
        if statm.resident == 0 {
            // A process that has exited has no pages; a zombie is still in /proc.
            return Err(io::ErrorKind::NotFound.into());
        }
        if statm.shared != self.shared_pages {
            self.shared_pages = statm.shared;
            self.refresh()?;
        }
        Ok(Memory { anonymous: statm.anonymous().saturating_mul(self.page), ..self.other_memory })
    }

    /// Reads what is too slow for every sample: shared memory, swap, and the name, which a new process changes when
    /// it starts its program. 12 µs.
    ///
    /// # Errors
    /// If the process has exited.
    pub fn refresh(&mut self) -> io::Result<()> {
        let status: Status = read(&self.status, Status::parse)?;
        self.other_memory = Memory { anonymous: 0, shared: status.shared_memory, swapped: status.swapped };
        let stat: Stat = read(&self.stat, Stat::parse)?;
        if stat.name != self.name {
            self.name = stat.name;
        }
        Ok(())
    }

    /// Processor time used.
    ///
    /// # Errors
    /// If the process has exited.
    pub fn processor_time(&self) -> io::Result<ProcessorTime> {
        let stat: Stat = read(&self.stat, Stat::parse)?;
        if stat.has_exited() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let time = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000) / sys::clock_ticks());
        Ok(ProcessorTime { user: time(stat.user_ticks), system: time(stat.system_ticks) })
    }

    /// Number of its threads.
    ///
    /// # Errors
    /// If the process has exited.
    pub fn threads(&self) -> io::Result<u64> {
        Ok(read(&self.stat, Stat::parse)?.threads)
    }

    /// Number of its open files, sockets included.
    ///
    /// # Errors
    /// If the process has exited, or belongs to another user.
    pub fn open_files(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(path(self.pid, "fd"))?.count())
    }

    /// Bytes written to disk because of this process; `None` for a process of another user.
    pub fn disk_written(&self) -> Option<u64> {
        let text = read_bytes(path(self.pid, "io"))?;
        // The file was opened by pid: check that it still was this process.
        if self.has_exited() { None } else { text::disk_written(&text) }
    }

    /// Whether it has exited.
    pub fn has_exited(&self) -> bool {
        read(&self.stat, Stat::parse).map_or(true, |stat: Stat| stat.has_exited())
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The user id that it runs as.
    pub fn uid(&self) -> Option<u32> {
        Some(self.uid)
    }

    /// The name of its program, at most 15 bytes of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it started, in a unit of the system; identifies the process together with its pid.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The pids of its children now; empty if it has exited.
    pub fn children(&self) -> Vec<u32> {
        let few_threads =
            read(&self.stat, Stat::parse).is_ok_and(|stat: Stat| stat.threads <= MAX_LISTED_THREADS);
        let listed = if few_threads { self.listed_children() } else { None };
        let children = listed.unwrap_or_else(|| children_by_parent(self.pid));
        // They were looked up by pid, which may belong to another process if this one has exited.
        if self.has_exited() { Vec::new() } else { children }
    }

    /// The children that each of its threads lists; `None` if the kernel was built without this list.
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

/// Anonymous memory of this process in RAM, in bytes: heap and stacks, without the program's code.
pub fn own_anonymous_memory() -> Option<u64> {
    let statm = Statm::parse(&read_bytes("/proc/self/statm")?)?;
    Some(statm.anonymous().saturating_mul(sys::page_size()))
}

/// The children according to the parent of every process: 10 µs per process, where a list costs 6 µs per thread.
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
    // Bytes. Enough for any of the three files in practice, and the required lines come first.
    let mut text = [0; 4096];
    let length = file.read_at(&mut text, 0)?;
    parse(&text[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// With more threads than this, checking the parent of every process is cheaper than listing the children of each
/// thread.
const MAX_LISTED_THREADS: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_counts_and_reserved_memory_does_not() {
        let mut this = Process::open(std::process::id()).unwrap();
        const SIZE: usize = 64 << 20;
        let before = this.memory().unwrap();
        let mut heap: Vec<u8> = Vec::with_capacity(SIZE);
        let reserved = this.memory().unwrap();

        heap.resize(SIZE, 1);
        std::hint::black_box(&heap);
        let touched = this.memory().unwrap();

        // Other tests of this process run meanwhile: half of the size leaves room for their allocations.
        assert!(reserved.anonymous < before.anonymous + SIZE as u64 / 2, "{before:?} {reserved:?}");
        assert!(touched.anonymous > before.anonymous + SIZE as u64 / 2, "{before:?} {touched:?}");
    }

    #[test]
    fn an_unused_pid_is_an_error() {
        // The largest pid on Linux is 4,194,304.
        assert!(matches!(Process::open(4_194_305), Err(Error::NoProcess { pid: 4_194_305 })));
    }

    #[test]
    fn an_exited_process_is_recognised_before_and_after_wait() {
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
        assert!(process.has_exited(), "cat exits at the end of its input, and is a zombie until wait");
        assert!(process.memory().is_err());
        assert!(matches!(Process::open(child.id()), Err(Error::NoProcess { .. })));

        child.wait().unwrap();
        assert!(process.has_exited() && process.memory().is_err() && process.processor_time().is_err());
    }
}
