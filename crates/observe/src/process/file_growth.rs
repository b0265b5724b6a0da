//! Growth of the files that processes have open for writing: where a server stores what it cannot send, if not in its own memory.
//!
//! A deleted file counts while it is open, and so do files in memory (tmpfs), which are not written to any disk. Not counted: files
//! without a name (memfd), which are memory, and what a file had before, also if it was opened meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Process;
use super::one_process::path;

/// The growth of the files of some processes, since it was created.
#[derive(Debug)]
pub struct FileGrowth {
    started: SystemTime,
    /// What each file had when it was first seen and existed before.
    bases: BTreeMap<FileId, u64>,
    /// Total growth, the largest so far; `None` if it was not visible each time.
    largest: Option<u64>,
}

/// A device and an inode on it.
type FileId = (u64, u64);

/// A file that is open for writing.
#[derive(Debug, Clone, Copy)]
struct OpenFile {
    id: FileId,
    /// Bytes that it occupies.
    size: u64,
    /// When it was created; `None` if the file system does not store it.
    created: Option<SystemTime>,
}

impl FileGrowth {
    /// Begins with what is open now.
    pub fn new<'a>(processes: impl IntoIterator<Item = &'a Process>) -> FileGrowth {
        let mut growth = FileGrowth { started: SystemTime::now(), bases: BTreeMap::new(), largest: Some(0) };
        match open_files(processes) {
            Some(files) => growth.bases.extend(files.values().map(|file| (file.id, file.size))),
            None => growth.largest = None,
        }
        growth
    }

    /// Looks again, and returns the growth, in bytes, of the files that were open at one time: the largest so far. `None` if the
    /// files of a process are not visible, because it belongs to another user.
    ///
    /// Takes 5 µs for each open file or socket.
    pub fn update<'a>(&mut self, processes: impl IntoIterator<Item = &'a Process>) -> Option<u64> {
        self.largest = self.largest.and_then(|largest| {
            let files = open_files(processes)?;
            let growth: u64 = files.values().map(|file| self.growth_of(file)).sum();
            Some(growth.max(largest))
        });
        self.largest
    }

    fn growth_of(&mut self, file: &OpenFile) -> u64 {
        let is_new = file.created.is_none_or(|created| created + CLOCK_STEP >= self.started);
        let base = self.bases.entry(file.id).or_insert(if is_new { 0 } else { file.size });
        file.size.saturating_sub(*base)
    }
}

/// The files that are open for writing, each once; `None` if those of a running process are not visible.
fn open_files<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Option<BTreeMap<FileId, OpenFile>> {
    let mut files = BTreeMap::new();
    for process in processes {
        let Ok(entries) = fs::read_dir(path(process.pid(), "fd")) else {
            if process.has_exited() {
                continue;
            }
            return None;
        };
        let opened = entries.flatten().filter_map(|entry| OpenFile::at(&entry.path()));
        files.extend(opened.map(|file| (file.id, file)));
    }
    Some(files)
}

impl OpenFile {
    /// The file that an entry of `/proc/PID/fd` stands for, if it is a regular file that is open for writing.
    #[cfg(unix)]
    fn at(entry: &Path) -> Option<OpenFile> {
        use std::os::unix::fs::MetadataExt;

        // The permissions of the link are the mode in which the file was opened.
        let is_writable = fs::symlink_metadata(entry).ok()?.mode() & 0o200 != 0;
        let file = fs::metadata(entry).ok().filter(|file| is_writable && file.is_file())?;
        let is_memory = fs::read_link(entry).ok()?.as_os_str().as_encoded_bytes().starts_with(b"/memfd:");
        // A block of `stat` has 512 bytes, whatever the file system.
        let size = file.blocks().saturating_mul(512);
        (!is_memory).then(|| OpenFile { id: (file.dev(), file.ino()), size, created: file.created().ok() })
    }

    /// This system shows no open files.
    #[cfg(not(unix))]
    fn at(_: &Path) -> Option<OpenFile> {
        None
    }
}

/// How far the time of a new file may be behind the clock: a tick of the kernel.
const CLOCK_STEP: Duration = Duration::from_millis(10);
