//! Network namespaces: whether a process is in another one, as in a container, and how the sockets there are visible.
//!
//! Each network namespace has socket tables of its own: neither sock_diag nor `/proc/net/tcp` shows the sockets of another one.
//!
//! | [`Door`] | needs | shows |
//! |---|---|---|
//! | `Own` | nothing: the process is in this program's namespace | everything |
//! | `Netlink` | CAP_SYS_ADMIN over the user namespaces of both, and access to the process's files | everything |
//! | `Files` | that the process is visible in `/proc` | states and queues, no counters and no windows |
//! | `Closed` | | nothing |

mod door;
mod dump;
mod listening_addresses;
mod lists;
mod socket_tables;
mod text_table;

pub use door::Door;
pub(crate) use dump::{Dump, Dumped};
pub use socket_tables::SocketTables;
#[cfg(any(test, fuzzing))]
pub(crate) use text_table::check;

/// A network namespace, identified by the inode of its `net/tcp` in `/proc`.
///
/// The file `/proc/PID/ns/net` identifies it too, but only to the process's user; this inode is visible to every user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NetworkNamespace(u64);

impl NetworkNamespace {
    /// The one of this program.
    pub(crate) fn own() -> Option<NetworkNamespace> {
        NetworkNamespace::at("/proc/self/net/tcp")
    }

    /// The one of a process; `None` if the process has exited or is hidden, and on a system other than Linux.
    pub(crate) fn of(pid: u32) -> Option<NetworkNamespace> {
        NetworkNamespace::at(&format!("/proc/{pid}/net/tcp"))
    }

    #[cfg(unix)]
    fn at(path: &str) -> Option<NetworkNamespace> {
        use std::os::unix::fs::MetadataExt;
        Some(NetworkNamespace(std::fs::metadata(path).ok()?.ino()))
    }

    #[cfg(not(unix))]
    fn at(_: &str) -> Option<NetworkNamespace> {
        None
    }
}

/// Whether a process is known to be in another network namespace than this program.
pub fn is_in_other_namespace(pid: u32) -> bool {
    let (its, own) = (NetworkNamespace::of(pid), NetworkNamespace::own());
    its.zip(own).is_some_and(|(its, own)| its != own)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_in_the_namespace_of_its_parent() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();

        assert!(!is_in_other_namespace(child.id()));
        assert_eq!(NetworkNamespace::of(child.id()), NetworkNamespace::own());

        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(NetworkNamespace::of(child.id()), None);
    }
}
