//! Replaces a file atomically: the content goes to a temporary file in the same folder, which is then renamed.
//!
//! ```text
//! start   a temporary file is made and removed again, so that an error is reported before the run
//! run     no temporary file exists; however the run ends, an old file is unchanged
//! end     the temporary file is written, flushed and renamed; permissions and owner are those of the old file
//! ```
//!
//! What cannot be replaced (a device, a pipe, a file in a folder that is not writable) is opened at the end and written in
//! place. If the process is killed during the last step, a hidden `.echoctl-PID-N.tmp` may be left.

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
    /// The path that the user gave.
    path: PathBuf,
    place: Place,
}

/// How it is written.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Stdout,
    /// As a temporary file that is renamed to this path.
    Replace(PathBuf),
    /// In place; `empty` tells whether to truncate it first.
    Existing {
        empty: bool,
    },
}

impl OutputFile {
    /// The path of stdin, for a file that is read as `-`: otherwise `report - --csv run.json < run.json` would lose the recording.
    pub(crate) const STDIN: &str = "/dev/stdin";

    /// Checks that the file can be written, as far as that is known now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn new(path: &Path) -> anyhow::Result<OutputFile> {
        let place = Place::of(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let folder = parent_folder(path).display();
                anyhow!("{}: the folder {folder} does not exist", cannot_write(path))
            }
            _ => anyhow::Error::new(error).context(cannot_write(path)),
        })?;
        Ok(OutputFile { path: path.to_owned(), place })
    }

    /// The path that the user gave.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file and returns its size in bytes.
    ///
    /// # Errors
    /// If it cannot be written. An old file is then unchanged.
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

    /// Refuses two options that name the same file, since one would replace the other's output. Devices and pipes accept both.
    /// The path of input from stdin is [`OutputFile::STDIN`].
    ///
    /// # Errors
    /// Exit 2, with the names of the options.
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

/// Checks the results of writing files after the result of a command was printed.
///
/// # Errors
/// The files that could not be written, each with its reason.
pub(crate) fn check_written_after_result<T>(
    written: impl IntoIterator<Item = anyhow::Result<T>>,
) -> anyhow::Result<()> {
    check_written(written)
        .map_err(|failed| anyhow!("{failed}\nhint: the result above is valid, but it was not saved"))
}

/// Checks the results of writing several files.
///
/// # Errors
/// The files that could not be written, each with its reason.
pub(crate) fn check_written<T>(written: impl IntoIterator<Item = anyhow::Result<T>>) -> anyhow::Result<()> {
    let failed = written.into_iter().filter_map(Result::err).map(|error| format!("{error:#}"));
    let failed: Vec<String> = failed.collect();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// Writes a recording. An error of the writer is returned as such.
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
                // Opening a pipe would wait for its reader.
                if !is_pipe(metadata) {
                    OpenOptions::new().append(true).open(path)?;
                }
                return Ok(Place::Existing { empty: false });
            }
            // A read-only file is not replaced.
            OpenOptions::new().append(true).open(path)?;
        }
        let target = follow_links(path)?;
        // A path that ends in `/` or `..` names a folder, even if it does not exist.
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

/// Identifies a file, to find two paths of the same file.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    Stdout,
    /// An existing file: its device and inode.
    #[cfg(unix)]
    Node(u64, u64),
    /// A file that does not exist: its canonical folder and its name.
    Path(PathBuf),
}

impl Identity {
    /// The identity of a regular file or stdout; `None` for devices and pipes.
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

/// Writes a temporary file and renames it to `target`.
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

/// Writes `content` through a buffer and flushes it. Returns the number of bytes.
fn write_buffered(to: impl Write, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let mut counted = Counted { to: BufWriter::with_capacity(BUFFER, to), bytes: 0 };
    content(&mut counted)?;
    counted.flush()?;
    Ok(counted.bytes)
}

/// A writer that counts its bytes.
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

/// A temporary file in the folder of another file. It is removed when this is dropped, unless it was renamed.
struct TempFile {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl TempFile {
    /// Creates it under an unused name.
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

    /// Gives it the owner and the permissions of the file that it replaces, before it has content.
    fn copy_owner_and_mode(&self, old: &Metadata) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let own = self.file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                // Without the privilege to change the owner, only the permissions are copied.
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
            // If this fails, the hidden name tells which program left it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The target of a chain of symbolic links, whether it exists or not.
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

/// Whether a path is a name of stdout. Opening that name could fail, if it belongs to another user, or overwrite the file
/// behind it.
fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Whether a path is a name of an open file, such as `/dev/fd/3` or a link to it: other programs may be writing to that file.
/// Files in folders such as `/dev/shm` are ordinary files.
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

/// Bytes per write.
const BUFFER: usize = 64 * 1024;

/// Number of names to try for a temporary file: killed runs with the same pid may have left some.
const MAX_NAMES: u32 = 1000;

/// Maximum length of a chain of symbolic links, as in Linux.
const MAX_LINKS: u32 = 40;

#[cfg(test)]
mod tests;
