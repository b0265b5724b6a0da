//! A file that is replaced as a whole or not at all: written beside its place, and renamed into it when it is complete.
//!
//! ```text
//! start   a file is made beside the target and removed again: what cannot be written is told before the run
//! run     nothing is there: however the run ends, an old file is what it was
//! end     written beside, flushed, renamed over the target, which keeps its permissions and its owner
//! ```
//!
//! What cannot be replaced (a device, a pipe, a file of a folder that cannot be written) is opened at the end and written in
//! place. Where the process is killed within the last step, a hidden `.echoctl-PID-N.tmp` may stay.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, anyhow, ensure};
use echoctl_record::{Run, RunError};

use crate::exit::Failure;
use crate::output::Data;

/// A file to be written at the end of a command, or stdout (`-`).
#[derive(Debug)]
pub(crate) struct OutputFile {
    /// As the user named it.
    path: PathBuf,
    place: Place,
}

/// Where it goes.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Stdout,
    /// Written beside this path and renamed over it.
    Replace(PathBuf),
    /// Into what is there; a regular file is emptied first.
    Existing {
        empty: bool,
    },
}

impl OutputFile {
    /// The path of standard input, where a file that is read is given by `-`: `report - --csv run.json < run.json` would lose
    /// the record.
    pub(crate) const STDIN: &str = "/dev/stdin";

    /// A file that can be written, as far as that can be known now.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn new(path: &Path) -> anyhow::Result<OutputFile> {
        let place = Place::of(path).with_context(|| cannot_write(path))?;
        Ok(OutputFile { path: path.to_owned(), place })
    }

    /// As the user named it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, and returns how many bytes it has.
    ///
    /// # Errors
    /// When it cannot be written; an old file is then what it was.
    pub(crate) fn write(self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<u64> {
        let written = match &self.place {
            Place::Stdout => write_buffered(Data::new(), content),
            Place::Replace(target) => replace(target, content),
            Place::Existing { empty } => {
                let file = OpenOptions::new().write(true).truncate(*empty).append(!*empty).open(&self.path);
                file.and_then(|file| write_buffered(file, content))
            }
        };
        written.with_context(|| cannot_write(&self.path))
    }

    /// Refuses two options that name the same file: one would replace the other's. Devices and pipes take both. What is read
    /// from standard input is [`OutputFile::STDIN`].
    ///
    /// # Errors
    /// Exit 2, with their names.
    pub(crate) fn refuse_same(files: &[(&str, Option<&Path>)]) -> Result<(), Failure> {
        let files: Vec<(&str, &Path, Identity)> = files
            .iter()
            .filter_map(|(option, path)| Some((*option, (*path)?, Identity::of((*path)?)?)))
            .collect();
        for (index, (option, path, identity)) in files.iter().enumerate() {
            if let Some((other, ..)) = files[..index].iter().find(|(.., other)| other == identity) {
                let path = path.display();
                return Err(Failure::usage(format_args!("{other} and {option} name the same file: {path}")));
            }
        }
        Ok(())
    }
}

/// What came of files that were written when the result had been printed.
///
/// # Errors
/// Which could not be written, each with its reason.
pub(crate) fn check_written_after_result<T>(
    written: impl IntoIterator<Item = anyhow::Result<T>>,
) -> anyhow::Result<()> {
    check_written(written)
        .map_err(|failed| anyhow!("{failed}\nhint: the result above stands, it is only not in the file"))
}

/// What came of several files, each of which was tried.
///
/// # Errors
/// Which could not be written, each with its reason.
pub(crate) fn check_written<T>(written: impl IntoIterator<Item = anyhow::Result<T>>) -> anyhow::Result<()> {
    let failed = written.into_iter().filter_map(Result::err).map(|error| format!("{error:#}"));
    let failed: Vec<String> = failed.collect();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// Writes a record, with the error of the writer.
pub(crate) fn write_record(run: &Run, to: &mut dyn Write) -> io::Result<()> {
    run.write(to).map_err(|error| match error {
        RunError::Write(error) => error,
        error => io::Error::other(error),
    })
}

impl Place {
    fn of(path: &Path) -> io::Result<Place> {
        if is_stdout(path) {
            return Ok(Place::Stdout);
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(metadata) = &metadata {
            if metadata.is_dir() {
                return Err(ErrorKind::IsADirectory.into());
            }
            let is_replaceable = metadata.is_file() && !is_open_file_name(path);
            if !is_replaceable {
                // Opened now only where that does not wait for a reader.
                if !is_pipe(metadata) {
                    OpenOptions::new().append(true).open(path)?;
                }
                return Ok(Place::Existing { empty: false });
            }
            // A file that is protected against writing is not replaced either.
            OpenOptions::new().append(true).open(path)?;
        }
        let target = follow_links(path)?;
        // A folder that is not there is no name of a file either.
        if target.file_name().is_none() || target.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(ErrorKind::IsADirectory.into());
        }
        match TempFile::new(&target) {
            Ok(temp) => {
                drop(temp);
                Ok(Place::Replace(target))
            }
            Err(error) if metadata.is_some() && error.kind() == ErrorKind::PermissionDenied => {
                Ok(Place::Existing { empty: true })
            }
            Err(error) => Err(error),
        }
    }
}

/// What tells whether two paths are the same file.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    Stdout,
    /// Of a file that exists: its device and its number there.
    #[cfg(unix)]
    Node(u64, u64),
    /// Of one that does not: its folder as it is, and its name.
    Path(PathBuf),
}

impl Identity {
    /// Of a file that is written once; `None` of devices and pipes.
    fn of(path: &Path) -> Option<Identity> {
        if is_stdout(path) {
            return Some(Identity::Stdout);
        }
        if let Ok(metadata) = fs::metadata(path) {
            if !metadata.is_file() {
                return None;
            }
            #[cfg(unix)]
            {
                use std::os::unix::fs::MetadataExt;
                return Some(Identity::Node(metadata.dev(), metadata.ino()));
            }
        }
        let target = follow_links(path).ok()?;
        let folder = fs::canonicalize(parent_folder(&target)).ok()?;
        Some(Identity::Path(folder.join(target.file_name()?)))
    }
}

/// Writes beside `target` and renames.
fn replace(target: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let old = fs::metadata(target).ok();
    let mut temp = TempFile::new(target)?;
    if let Some(old) = &old {
        temp.copy_owner_and_mode(old)?;
    }
    let bytes = write_buffered(&temp.file, content)?;
    temp.rename(target)?;
    Ok(bytes)
}

/// Writes `content` through a buffer, and flushes it. Returns the number of bytes.
fn write_buffered(to: impl Write, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let mut counted = Counted { to: BufWriter::with_capacity(BUFFER, to), bytes: 0 };
    content(&mut counted)?;
    counted.flush()?;
    Ok(counted.bytes)
}

/// A writer that counts.
struct Counted<W: Write> {
    to: BufWriter<W>,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.to.write(buffer)?;
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A file of our own beside another, which is gone when this is dropped.
struct TempFile {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl TempFile {
    /// Makes it, under a name that is not taken.
    fn new(target: &Path) -> io::Result<TempFile> {
        let folder = parent_folder(target);
        let mut tries = 0..MAX_NAMES;
        loop {
            let number = tries.next().ok_or(ErrorKind::AlreadyExists)?;
            let path = folder.join(format!(".echoctl-{}-{number}.tmp", process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(TempFile { file, path, is_renamed: false }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it the owner and the permissions of the file that it replaces, before anything is in it.
    fn copy_owner_and_mode(&self, old: &Metadata) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let own = self.file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                // Who may not give files away keeps the new one; the permissions are the old one's all the same.
                let _ = fchown(&self.file, Some(old.uid()), Some(old.gid()));
            }
        }
        self.file.set_permissions(old.permissions())
    }

    fn rename(&mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            // It is hidden, and named for what made it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file that a chain of links leads to, whether it exists or not.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = parent_folder(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn parent_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a path is a name for stdout: opened by that name once more, it may be another user's, or overwrite what stands
/// in the file behind it.
fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Whether a path is a name for something that is open, as `/dev/fd/3` or a link to it: what is behind it may be a file, but
/// others write to that file too. Files that only lie in `/dev`, as in `/dev/shm`, are files like any others.
fn is_open_file_name(path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let folder = fs::canonicalize(parent_folder(&path)).unwrap_or_default();
        if folder.starts_with("/proc") || folder.starts_with("/dev/fd") {
            return true;
        }
        match fs::read_link(&path) {
            Ok(next) => path = parent_folder(&path).join(next),
            Err(_) => return false,
        }
    }
    false
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Bytes written at a time.
const BUFFER: usize = 64 * 1024;

/// Names that are tried beside a file: those of runs that were killed, by processes of this very number.
const MAX_NAMES: u32 = 1000;

/// Links that lead from one to the next, as many as Linux follows.
const MAX_LINKS: u32 = 40;

#[cfg(test)]
mod tests;
