//! System calls that std does not have: signals, sessions and orphans.

#![allow(unsafe_code)]

#[cfg(unix)]
use std::io;

#[cfg(target_os = "linux")]
use echoctl_observe::Process;

/// A signal for suspending or stopping processes.
#[cfg(unix)]
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub(super) enum Signal {
    Terminate = libc::SIGTERM,
    Kill = libc::SIGKILL,
    /// Suspends a process.
    #[cfg(target_os = "linux")]
    Stop = libc::SIGSTOP,
    /// For a process that was suspended.
    #[cfg(target_os = "linux")]
    Continue = libc::SIGCONT,
}

/// Sends a signal to a process that was opened, and never to a later process with the same pid. It does not arrive if the process
/// has exited, or is another user's.
#[cfg(target_os = "linux")]
pub(super) fn signal(process: &Process, signal: Signal) {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    let pid = process.pid() as libc::pid_t;
    // SAFETY: pidfd_open gets two plain numbers and touches no memory of ours.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if opened < 0 {
        let is_refused =
            matches!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS | libc::EPERM));
        // Before Linux 5.3, or in a sandbox that forbids the call: its open files in /proc show whether it is still running.
        if is_refused && !process.has_exited() {
            kill(pid, signal);
        }
        return;
    }
    // SAFETY: the call returned a new file descriptor that has no other owner.
    let descriptor = unsafe { OwnedFd::from_raw_fd(opened as libc::c_int) };
    // The pid was its own until now, so it was when the file descriptor was opened.
    if !process.has_exited() {
        let (descriptor, none) = (descriptor.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        // SAFETY: the file descriptor is open across the call, and without a siginfo the kernel reads no memory of ours.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, descriptor, signal as libc::c_int, none, 0) };
    }
}

/// Sends a signal to all processes of the group that `leader` leads, which comes closest to all descendants on systems that do
/// not list them. The group's number is not reused until `leader` has been waited for.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn signal_group(leader: u32, signal: Signal) {
    // 0 and -1 would be our own group and all processes.
    if let Ok(leader @ 2..) = libc::pid_t::try_from(leader) {
        kill(-leader, signal);
    }
}

#[cfg(unix)]
fn kill(target: libc::pid_t, signal: Signal) {
    // SAFETY: kill gets two plain numbers and touches no memory of ours.
    unsafe { libc::kill(target, signal as libc::c_int) };
}

/// Makes this process the parent of its descendants' orphans.
#[cfg(target_os = "linux")]
pub(super) fn adopt_orphans() {
    // SAFETY: PR_SET_CHILD_SUBREAPER gets one plain number and changes only the parent of orphans. Kernels before 3.4 refuse it;
    // daemons of the command are then not found.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

#[cfg(not(target_os = "linux"))]
pub(super) fn adopt_orphans() {}

/// Moves this process out of reach of what stops its parent: into its own session, without Ctrl-C and SIGHUP from the terminal,
/// and with all signals blocked that can be. Programs that it starts would inherit that, so they need [`unblock_signals`].
#[cfg(unix)]
pub(super) fn detach() {
    // SAFETY: setsid has no arguments; it fails if this process already leads a group, which is sufficient. The set is filled
    // before it is used, and no other thread runs yet. SIGCHLD gets its default back, because the parent may have ignored it,
    // and the exit status of children would be lost.
    unsafe {
        libc::setsid();
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
}

/// Makes a program start with no signal blocked, although it inherits the mask of its parent.
#[cfg(unix)]
pub(super) fn unblock_signals(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let unblock = || {
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is filled before it is used, and the old mask is not returned.
        let error = unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut())
        };
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    };
    // SAFETY: between fork and exec it touches only its own stack, and both calls are async-signal-safe.
    unsafe { command.pre_exec(unblock) };
}

/// Waits until a child exits; returns its pid and exit status, or `None` if there is no child.
#[cfg(target_os = "linux")]
pub(super) fn wait_for_child() -> Option<(u32, std::process::ExitStatus)> {
    use std::os::unix::process::ExitStatusExt;
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes one int through the pointer, which lives across the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if pid > 0 {
            return Some((pid as u32, ExitStatusExt::from_raw(status)));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// Waits for `pid` if it is a child of ours that has exited, so that it does not stay a zombie. Never blocks.
#[cfg(target_os = "linux")]
pub(super) fn reap(pid: u32) {
    // SAFETY: waitpid with WNOHANG and without a place for the status touches no memory of ours. It fails for a process that
    // is not our child, which does not matter here.
    unsafe { libc::waitpid(pid as libc::pid_t, std::ptr::null_mut(), libc::WNOHANG) };
}

/// The session of a process.
#[cfg(target_os = "linux")]
pub(super) fn session_of(pid: u32) -> Option<u32> {
    // SAFETY: getsid gets a plain number and touches no memory of ours.
    let session = unsafe { libc::getsid(pid as libc::pid_t) };
    u32::try_from(session).ok()
}
