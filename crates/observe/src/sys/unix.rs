//! Unix: socket options and ioctls, returned as plain bytes, and two constants of the system.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Reads a socket option into `value`; returns the number of bytes that the kernel wrote.
pub(crate) fn getsockopt(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `value` is valid for writes of `length` bytes, any bytes are valid for it, and the kernel writes at
    // most `length` bytes; the file descriptor is open, since it is borrowed.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &mut length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok((length as usize).min(value.len())) }
}

/// Reads a count of a socket that ioctl returns as an `int`.
pub(crate) fn ioctl_count(socket: BorrowedFd<'_>, request: Request) -> io::Result<u32> {
    let request = match request {
        Request::Unread => libc::FIONREAD,
        #[cfg(target_os = "linux")]
        Request::Unacknowledged => libc::TIOCOUTQ,
    };
    let mut count: libc::c_int = 0;
    // SAFETY: both requests write exactly one `int` through the pointer, which is valid during the call; the file
    // descriptor is open, since it is borrowed.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut count) };
    // A queue length is never negative.
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(count.max(0) as u32) }
}

/// The requests of [`ioctl_count`]: each writes one `int` and reads nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    /// Bytes that can be read: FIONREAD.
    Unread,
    /// Bytes written and not acknowledged by the peer: SIOCOUTQ, which has the number of TIOCOUTQ.
    #[cfg(target_os = "linux")]
    Unacknowledged,
}

/// Raises the limit of open file descriptors of this process to the maximum that it may set, and returns it. Programs that it
/// starts later inherit it.
///
/// # Errors
/// If the kernel refuses. The limit is then unchanged.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes the struct that it is given a valid pointer to.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: setrlimit reads the struct that it is given a valid pointer to.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(clippy::unnecessary_cast, reason = "rlim_t is 64 bits here and less on other systems")]
    Ok(limit.rlim_cur as u64)
}

/// The name of this host; `None` if it has none.
pub(crate) fn host_name() -> Option<String> {
    let mut name = [0_u8; 256];
    // SAFETY: gethostname writes at most the number of bytes that it is given, which is that of the buffer less one.
    let result = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let name = name.split(|&byte| byte == 0).next().filter(|name| result == 0 && !name.is_empty())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Size of a page of memory in bytes.
pub(crate) fn page_size() -> u64 {
    // SAFETY: sysconf accepts a plain number and accesses no memory of this program.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// Reads a file from an offset on, wherever it was read before.
pub(crate) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(into, offset)
}

/// Linux shows the memory of a process in `/proc`.
#[cfg(target_os = "linux")]
pub(crate) fn process_memory(_: u32) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ticks per second, the unit of processor time in `/proc`.
pub(crate) fn clock_ticks() -> u64 {
    // SAFETY: sysconf accepts a plain number and accesses no memory of this program.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|&ticks| ticks > 0).unwrap_or(100)
}

/// The processor time that this thread has used; `None` where the system does not show it.
pub fn thread_processor_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes the struct that it is given a valid pointer to.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Moves the calling thread into the network namespace that an open file of `/proc/PID/ns` stands for.
#[cfg(target_os = "linux")]
pub(crate) fn enter_network_namespace(namespace: &File) -> io::Result<()> {
    // SAFETY: setns takes a file descriptor, open because it is borrowed, and a flag. It changes only the namespace in which this
    // thread makes sockets from now on.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
