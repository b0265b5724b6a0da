//! Lists the processes of this host and the sockets that each has open.
//!
//! Read from `/proc`; a system without it lists nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::AsHandle;
use crate::proc_file::{labelled, read_bytes};

/// The pids of all processes that `/proc` shows.
pub fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The inodes of the sockets that a process has open; empty for another user's process, whose files are hidden.
pub fn socket_inodes(pid: u32) -> impl Iterator<Item = u32> {
    sockets(pid).map(|(_, inode)| inode)
}

/// The same, each with its file descriptor.
pub(super) fn sockets(pid: u32) -> impl Iterator<Item = (u32, u32)> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| Some((file.file_name().to_str()?.parse().ok()?, socket_inode(&file.path())?)))
}

/// Whether a file descriptor of a process is the socket with this inode.
pub(super) fn is_socket(pid: u32, descriptor: u32, inode: u32) -> bool {
    socket_inode(format!("/proc/{pid}/fd/{descriptor}").as_ref()) == Some(inode)
}

/// The process to which a thread belongs, by the number of the thread. A process is a thread of itself.
pub(crate) fn process_of(thread: u32) -> u32 {
    let status = read_bytes(format!("/proc/{thread}/status"));
    let pid = status.and_then(|status| u32::try_from(labelled(status, "Tgid:")?).ok());
    pid.unwrap_or(thread)
}

/// The inode of a socket of this process; `None` if the system does not show it.
pub(crate) fn own_socket_inode(socket: &dyn AsHandle) -> Option<u32> {
    #[cfg(unix)]
    return socket_inode(
        format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd())).as_ref(),
    );
    #[cfg(not(unix))]
    {
        let _ = socket;
        None
    }
}

/// The inodes of the sockets among its standard streams, as a service manager or a shell passes them.
pub fn standard_socket_inodes(pid: u32) -> impl Iterator<Item = u32> {
    (0..3).filter_map(move |descriptor| socket_inode(format!("/proc/{pid}/fd/{descriptor}").as_ref()))
}

/// The inode of the socket that an entry of `/proc/PID/fd` stands for, if it is one.
fn socket_inode(entry: &Path) -> Option<u32> {
    let link = fs::read_link(entry).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The processes that have one of these sockets open, with the socket, as far as their files are visible.
///
/// Takes 20 to 100 ms on a busy host, since it reads the open files of all processes.
pub fn holders(inodes: &BTreeSet<u32>) -> impl Iterator<Item = (u32, u32)> {
    pids()
        .flat_map(|pid| socket_inodes(pid).map(move |inode| (pid, inode)))
        .filter(|(_, inode)| inodes.contains(inode))
}

/// Whether the open files of a process are visible: they are for this user's processes, and for all of them to root.
pub fn sees_files(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).is_ok()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_own_process_and_its_sockets_are_listed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();

        let inodes: Vec<u32> = socket_inodes(std::process::id()).collect();

        assert!(pids().any(|pid| pid == std::process::id()));
        assert!(inodes.iter().any(|inode| link.as_os_str() == format!("socket:[{inode}]").as_str()));
    }
}
