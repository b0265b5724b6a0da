//! The path of a Unix-domain socket that a command is to make: one that is given, or one in a new folder.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use echoctl_observe::ServerAddr;
use thiserror::Error;

use super::SpawnError;

/// Why a command cannot make its Unix-domain socket at a path.
#[derive(Debug, Error)]
pub enum SocketPathError {
    /// The path does not fit into the kernel's structure.
    #[error("the path has {length} bytes, and that of a socket has at most {LONGEST}")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// Its folder does not exist.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// A socket is there, and no process listens on it.
    #[error("the socket exists and no process listens on it: a server that has exited left it behind")]
    Stale,
    /// Something else is there.
    #[error("a file that is not a socket exists there")]
    NotASocket,
    /// A folder for it cannot be made.
    #[error("cannot make a folder for it: {0}")]
    Folder(io::Error),
}

/// Checks that a command can make its socket at a path, on which no process listens.
pub(super) fn check(path: &Path) -> Result<(), SocketPathError> {
    let length = path.as_os_str().len();
    if length > LONGEST {
        return Err(SocketPathError::TooLong { length });
    }
    if path.as_os_str().as_encoded_bytes().starts_with(&[0]) {
        return Ok(());
    }
    match fs::symlink_metadata(path) {
        Ok(file) if is_socket(&file) => return Err(SocketPathError::Stale),
        Ok(_) => return Err(SocketPathError::NotASocket),
        Err(_) => {}
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(SocketPathError::NoFolder(folder.to_owned()))
        }
        _ => Ok(()),
    }
}

fn is_socket(file: &fs::Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::FileTypeExt::is_socket(&file.file_type());
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// A folder of its own for a socket, which only this user may enter. Dropping it removes it with all that is in it.
#[derive(Debug)]
pub(super) struct SocketFolder(PathBuf);

impl SocketFolder {
    /// Makes one where temporary files are, if the path of a socket in it is short enough, and else in `/tmp`.
    pub(super) fn new() -> Result<SocketFolder, SpawnError> {
        // The seed that std gives each hash map is random enough.
        let name = format!("echoctl-{:016x}", RandomState::new().hash_one(std::process::id()));
        let usual = std::env::temp_dir().join(&name);
        let is_short = usual.as_os_str().len() + 1 + SOCKET.len() <= LONGEST;
        let folder = if is_short { usual } else { Path::new("/tmp").join(name) };
        match make(&folder) {
            Ok(()) => Ok(SocketFolder(folder)),
            Err(error) => {
                let addr = ServerAddr::Unix(folder.join(SOCKET));
                Err(SpawnError::SocketPath { addr, problem: SocketPathError::Folder(error) })
            }
        }
    }

    /// Where the socket is to be.
    pub(super) fn addr(&self) -> ServerAddr {
        ServerAddr::Unix(self.0.join(SOCKET))
    }
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        // What cannot be removed is empty or belongs to another user's server.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder that did not exist.
fn make(folder: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "folders have no mode"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The most bytes of a path, whose structure (`sun_path`) has 108 on Linux and 104 on macOS, the zero byte at its end included.
const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The name of a socket in a folder of its own.
const SOCKET: &str = "socket";

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_path_where_nothing_is_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let [stale, file, free] = ["stale", "file", "free"].map(|name| folder.path().join(name));
        drop(UnixListener::bind(&stale).unwrap());
        fs::write(&file, "").unwrap();
        let long = folder.path().join("x".repeat(LONGEST));

        assert!(check(&free).is_ok() && check(Path::new("relative")).is_ok());
        assert!(check(Path::new("\0abstract")).is_ok());
        assert!(matches!(check(&stale), Err(SocketPathError::Stale)));
        assert!(matches!(check(&file), Err(SocketPathError::NotASocket)));
        assert!(matches!(check(&free.join("socket")), Err(SocketPathError::NoFolder(at)) if at == free));
        assert!(matches!(check(&long), Err(SocketPathError::TooLong { length }) if length > LONGEST));
        assert!(UnixListener::bind(long).is_err(), "the kernel refuses it too");
    }

    #[test]
    fn a_folder_is_removed_with_its_socket() {
        let folder = SocketFolder::new().unwrap();
        let ServerAddr::Unix(path) = folder.addr() else { panic!("{:?}", folder.addr()) };
        assert!(check(&path).is_ok());
        drop(UnixListener::bind(&path).unwrap());

        drop(folder);

        assert!(!path.parent().unwrap().exists());
    }
}
