//! One process. On Linux, reads `/proc/PID` with the files kept open; elsewhere, only the memory that the system attributes to it.
//!
//! An open file of `/proc/PID` stays bound to that process: after its exit, reads fail, even if another process has
//! got the pid. Besides, reading an open `statm` costs 1 µs, and opening it each time 6 µs.

use std::fs::File;
use std::io;
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
    uid: Option<u32>,
    name: String,
    started: u64,
    /// `None` on a system without `/proc`.
    files: Option<Files>,
    /// `shared` of statm when `other_memory` was read.
    shared_pages: u64,
    /// The parts of the memory that statm does not show separately or at all.
    other_memory: Memory,
}

/// The files of a process in `/proc`, open.
#[derive(Debug)]
struct Files {
    statm: File,
    stat: File,
    status: File,
}

impl Process {
    /// Opens a running process.
    ///
    /// # Errors
    /// [`Error::NoProcess`] if it is not running, [`Error::Kernel`] if `/proc` hides it.
    pub fn open(pid: u32) -> Result<Process, Error> {
        let no_process = |_| Error::NoProcess { pid };
        let mut process = Process {
            pid,
            uid: None,
            name: String::new(),
            started: 0,
            files: None,
            shared_pages: u64::MAX,
            other_memory: Memory::default(),
        };
        if cfg!(not(target_os = "linux")) {
            return sys::process_memory(pid).map(|_| process).map_err(no_process);
        }
        let open = |name: &str| {
            File::open(path(pid, name)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NoProcess { pid },
                _ => Error::Kernel { operation: "open the process's files in /proc", error },
            })
        };
        process.files = Some(Files { statm: open("statm")?, stat: open("stat")?, status: open("status")? });
        let stat = process.running().map_err(no_process)?;
        (process.name, process.started) = (stat.name, stat.started);
        process.uid = Some(process.status().map_err(no_process)?.uid);
        Ok(process)
    }

    /// Its memory now, for 1 µs. Swap is as of the last [`Process::refresh`]; shared memory is read whenever the
    /// number of shared pages has changed. On a system other than Linux: the private footprint, including compressed and
    /// swapped pages.
    ///
    /// # Errors
    /// If the process has exited, or is exiting: it loses its memory before the kernel closes its files.
    pub fn memory(&mut self) -> io::Result<Memory> {
        let Some(files) = &self.files else {
            return Ok(Memory { anonymous: sys::process_memory(self.pid)?, ..Memory::default() });
        };
        let statm: Statm = read(&files.statm, Statm::parse)?;
        if statm.size == 0 {
            // A process that has exited has no memory; a zombie is still in /proc.
            return Err(io::ErrorKind::NotFound.into());
        }
        if statm.shared != self.shared_pages {
            self.shared_pages = statm.shared;
            self.refresh()?;
        }
        Ok(Memory { anonymous: statm.anonymous().saturating_mul(sys::page_size()), ..self.other_memory })
    }

    /// Reads what is too slow for every sample: shared memory, swap, and the name, which a new process changes when
    /// it starts its program. 12 µs.
    ///
    /// # Errors
    /// If the process has exited, or on a system other than Linux.
    pub fn refresh(&mut self) -> io::Result<()> {
        let status = self.status()?;
        self.other_memory = Memory { anonymous: 0, shared: status.shared_memory, swapped: status.swapped };
        self.name = self.stat()?.name;
        Ok(())
    }

    /// Processor time used.
    ///
    /// # Errors
    /// If the process has exited, or on a system other than Linux.
    pub fn processor_time(&self) -> io::Result<ProcessorTime> {
        let stat = self.running()?;
        let time = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000) / sys::clock_ticks());
        Ok(ProcessorTime { user: time(stat.user_ticks), system: time(stat.system_ticks) })
    }

    /// Number of its threads.
    ///
    /// # Errors
    /// If the process has exited, or on a system other than Linux.
    pub fn threads(&self) -> io::Result<u64> {
        Ok(self.stat()?.threads)
    }

    /// Number of its open files, sockets included.
    ///
    /// # Errors
    /// If the process has exited or belongs to another user, or on a system other than Linux.
    pub fn open_files(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(path(self.pid, "fd"))?.count())
    }

    /// Bytes written to disk because of this process; `None` if not visible, as for a process of another user.
    pub fn disk_written(&self) -> Option<u64> {
        text::disk_written(&self.io()?)
    }

    /// Bytes that it, and those of its children that have exited, passed to write calls, whether to a file, a pipe or a socket
    /// (`send` does not count); `None` if not visible.
    pub fn written(&self) -> Option<u64> {
        text::written(&self.io()?)
    }

    fn io(&self) -> Option<Vec<u8>> {
        let text = read_bytes(path(self.pid, "io"))?;
        // The file was opened by pid: check that it still was this process.
        (!self.has_exited()).then_some(text)
    }

    /// Whether it has exited.
    pub fn has_exited(&self) -> bool {
        if self.files.is_some() { self.running().is_err() } else { sys::process_memory(self.pid).is_err() }
    }

    /// Whether it is suspended, by a signal (SIGSTOP, Ctrl-Z) or a debugger; `false` on a system other than Linux.
    pub fn is_suspended(&self) -> bool {
        self.stat().is_ok_and(|stat| stat.is_suspended())
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The user id that it runs as; `None` if not visible.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// The name of its program, at most 15 bytes of it; empty if not visible.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it started, in a unit of the system; identifies the process together with its pid. 0 if not visible.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The pid of its parent.
    ///
    /// # Errors
    /// If the process has exited, or on a system other than Linux.
    pub fn parent(&self) -> io::Result<u32> {
        Ok(self.stat()?.parent)
    }

    /// The pids of its children now; empty if it has exited.
    pub fn children(&self) -> Vec<u32> {
        let has_few_threads = self.threads().is_ok_and(|threads| threads <= MAX_LISTED_THREADS);
        let listed = if has_few_threads { self.listed_children() } else { None };
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

    fn stat(&self) -> io::Result<Stat> {
        read(&self.files()?.stat, Stat::parse)
    }

    /// The same, or an error if it has exited.
    fn running(&self) -> io::Result<Stat> {
        let stat = self.stat()?;
        if stat.has_exited() { Err(io::ErrorKind::NotFound.into()) } else { Ok(stat) }
    }

    fn status(&self) -> io::Result<Status> {
        read(&self.files()?.status, Status::parse)
    }

    fn files(&self) -> io::Result<&Files> {
        self.files.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

/// Anonymous memory of this process in RAM, in bytes: heap and stacks, without the program's code. On a system other than Linux:
/// its private footprint.
pub fn own_anonymous_memory() -> Option<u64> {
    if cfg!(not(target_os = "linux")) {
        return sys::process_memory(std::process::id()).ok();
    }
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
    let length = sys::read_at(file, &mut text, 0)?;
    parse(&text[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub(super) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// With more threads than this, checking the parent of every process is cheaper than listing the children of each
/// thread.
const MAX_LISTED_THREADS: u64 = 200;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use echoctl_testkit::eventually;

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
        eventually("cat exits at the end of its input, and is a zombie until wait", || process.has_exited());
        assert!(process.memory().is_err());
        assert!(matches!(Process::open(child.id()), Err(Error::NoProcess { .. })));

        child.wait().unwrap();
        assert!(process.has_exited() && process.memory().is_err() && process.processor_time().is_err());
    }
}
