//! The few system calls that std does not have: signals to process groups, and waiting on several sockets at once.

#![allow(unsafe_code)]

use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// What a socket is waited on for.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(not(unix), expect(dead_code, reason = "where sockets cannot be waited for all are tried"))]
pub(crate) struct Interest {
    /// Until it can be read.
    pub(crate) read: bool,
    /// Until it can be written.
    pub(crate) write: bool,
}

/// Waits until one of the sockets is ready or `timeout` has passed, whichever comes first.
#[cfg(unix)]
pub(crate) fn wait(sockets: &[(&TcpStream, Interest)], timeout: Duration) {
    use std::os::fd::AsRawFd;
    let mut waited: Vec<libc::pollfd> = sockets
        .iter()
        .filter(|(_, interest)| interest.read || interest.write)
        .map(|(socket, interest)| {
            let read = if interest.read { libc::POLLIN } else { 0 };
            let write = if interest.write { libc::POLLOUT } else { 0 };
            libc::pollfd { fd: socket.as_raw_fd(), events: read | write, revents: 0 }
        })
        .collect();
    // A part of a millisecond is rounded up: a timeout of 0 would make the caller spin.
    let millis = timeout.as_micros().div_ceil(1000).min(1000) as libc::c_int;
    // SAFETY: `waited` is an array of `len` initialized pollfds that lives across the call; the descriptors are open,
    // since the sockets are borrowed. An interrupted or failed call is a shorter wait, which the caller's loop allows.
    unsafe { libc::poll(waited.as_mut_ptr(), waited.len() as libc::nfds_t, millis) };
}

/// Elsewhere: a short sleep, after which the caller tries all sockets.
#[cfg(not(unix))]
pub(crate) fn wait(_: &[(&TcpStream, Interest)], timeout: Duration) {
    std::thread::sleep(timeout.min(Duration::from_millis(2)));
}

/// A signal that stops processes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    /// Asks to end.
    Terminate,
    /// Ends.
    Kill,
}

/// Sends a signal to a process.
///
/// # Errors
/// When there is no such process, or it is another user's.
pub(crate) fn signal_process(pid: u32, signal: Signal) -> io::Result<()> {
    kill(i64::from(pid), signal)
}

/// Sends a signal to all processes of a group.
///
/// # Errors
/// When nobody is in it any more.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    kill(-i64::from(leader), signal)
}

#[cfg(unix)]
fn kill(target: i64, signal: Signal) -> io::Result<()> {
    // 0 and -1 would be our own group and everybody.
    assert!(target.abs() > 1, "invariant: a pid or group that we started");
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
    };
    // SAFETY: kill takes two plain numbers and touches no memory of ours.
    let result = unsafe { libc::kill(target as libc::pid_t, number) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(not(unix))]
fn kill(_: i64, _: Signal) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes this process the parent of its descendants' orphans, so that a server that puts itself into the background is
/// still below us: to be measured, and to be stopped.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes one plain number and changes nothing but who orphans are given to. A kernel
    // without it (before 3.4) refuses, and such a server is then not found.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn adopt_orphans() {}

/// Waits for those of `pids` that have ended, so that none is left as a zombie. Never blocks.
#[cfg(unix)]
pub(crate) fn reap(pids: &[u32]) {
    for &pid in pids {
        // SAFETY: waitpid with WNOHANG and no place for a status touches no memory of ours. It fails for a process that
        // is not our child, which is of no interest here.
        unsafe { libc::waitpid(pid as libc::pid_t, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

#[cfg(not(unix))]
pub(crate) fn reap(_: &[u32]) {}
