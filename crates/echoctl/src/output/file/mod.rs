//! Replaces a file atomically: the content goes to a temporary file in the same folder, which is then renamed.
//!
//! ```text
//! start   a temporary file is made and removed again, so that an error is reported before the run
//! run     no temporary file exists; however the run ends, an old file is unchanged
//! end     the temporary file is written, flushed and renamed; permissions and owner are those of the old file
//! ```
//!
//! What cannot be replaced (a device, a pipe, a file in a folder that is not writable) is opened at the end and written in
//! place. If the process is killed during the last step, a hidden `.echoctl-*.tmp` may be left.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use echoctl_record::Bytes;
use tempfile::NamedTempFile;

use crate::exit::Failure;
use crate::output::{Data, note};

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

    /// Writes the file, and notes its name and size on stderr unless it is stdout.
    ///
    /// # Errors
    /// If it cannot be written. An old file is then unchanged.
    pub(crate) fn save(self, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let (bytes, name) = (content.as_ref().len() as u64, self.path.display().to_string());
        let is_stdout = self.place == Place::Stdout;
        self.write(content)?;
        if !is_stdout {
            note(format_args!("wrote {name} ({})", Bytes(bytes)));
        }
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of [`save`](OutputFile::save).
    pub(crate) fn write(self, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let content = content.as_ref();
        let written = match &self.place {
            Place::Stdout => write_and_flush(Data::new(), content),
            Place::Replace(target) => replace(target, content),
            Place::Existing { empty } => {
                let file = OpenOptions::new().write(true).truncate(*empty).append(!*empty).open(&self.path);
                file.and_then(|file| write_and_flush(file, content))
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
        let target = follow_links(path);
        // A path that ends in `/` or `..` names a folder, even if it does not exist.
        if target.file_name().is_none() || target.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(ErrorKind::IsADirectory.into());
        }
        match temporary_file(&target) {
            // Its drop removes it.
            Ok(_) => Ok(Place::Replace(target)),
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
        let target = follow_links(path);
        let folder = fs::canonicalize(parent_folder(&target)).ok()?;
        Some(Identity::Path(folder.join(target.file_name()?)))
    }
}

/// Writes a temporary file and renames it to `target`. If that fails, the temporary file is removed.
fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let temp = temporary_file(target)?;
    if let Ok(old) = fs::metadata(target) {
        copy_owner_and_mode(&old, temp.as_file())?;
    }
    write_and_flush(temp.as_file(), content)?;
    temp.persist(target)?;
    Ok(())
}

fn write_and_flush(mut to: impl Write, content: &[u8]) -> io::Result<()> {
    to.write_all(content)?;
    to.flush()
}

/// A hidden file beside `target`, with the permissions of any new file. It is removed when it is dropped.
fn temporary_file(target: &Path) -> io::Result<NamedTempFile> {
    let create = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
    tempfile::Builder::new().prefix(".echoctl-").suffix(".tmp").make_in(parent_folder(target), create)
}

/// Gives `new` the owner and the permissions of the file that it replaces, before it has content.
fn copy_owner_and_mode(old: &Metadata, new: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let own = new.metadata()?;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            // Without the privilege to change the owner, only the permissions are copied.
            let _ = fchown(new, Some(old.uid()), Some(old.gid()));
        }
    }
    new.set_permissions(old.permissions())
}

/// The chain of symbolic links that begins with `path`, itself included. The kernel has refused a longer one already.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| Some(parent_folder(path).join(fs::read_link(path).ok()?));
    iter::successors(Some(path.to_owned()), next).take(MAX_LINKS)
}

/// The target of a chain of symbolic links, whether it exists or not.
fn follow_links(path: &Path) -> PathBuf {
    links(path).last().unwrap_or_default()
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
    links(path).any(|path| {
        let folder = fs::canonicalize(parent_folder(&path)).unwrap_or_default();
        folder.starts_with("/proc") || folder.starts_with("/dev/fd")
    })
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

/// Maximum length of a chain of symbolic links and their target, as in Linux.
const MAX_LINKS: usize = 1 + 40;

#[cfg(test)]
mod tests;
