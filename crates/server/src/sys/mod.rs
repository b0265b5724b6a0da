//! System calls that the standard library does not offer: the only `unsafe` code of the server.
//!
//! Each call is made in one place, in a safe function, with a safety argument.
#![allow(unsafe_code)]

pub(crate) mod cpu;
#[cfg(not(all(test, echoctl_loom)))]
mod descriptor;
pub(crate) mod schedule;
pub(crate) mod socket;
#[cfg(target_os = "linux")]
pub(crate) mod uring;

use std::io;
#[cfg(unix)]
pub(crate) use std::os::fd::AsRawFd as AsRaw;
#[cfg(windows)]
pub(crate) use std::os::windows::io::AsRawSocket as AsRaw;

#[cfg(unix)]
pub(crate) use libc::pollfd;
use socket2::SockRef;

#[cfg(not(all(test, echoctl_loom)))]
pub(crate) use self::descriptor::Descriptor;
/// A model, which checks the invariant.
#[cfg(all(test, echoctl_loom))]
pub(crate) use crate::table::model::Descriptor;

/// Makes all threads allocate from one heap from this call on.
///
/// By default glibc gives each thread a heap of its own, and trimming returns only the end of the first one to the kernel: after
/// a thousand peers had left, 2 to 12 MiB stayed allocated. Connections allocate too rarely to wait for each other. Each heap also
/// reserves 64 MiB of address space, of which `ulimit -v` may leave too little. Heaps are never removed, so call this before any
/// thread starts.
///
/// Blocks larger than `LARGEST_IN_HEAP` stay out of the heap. By default, when a large block is freed (as by the checks for room),
/// glibc serves blocks of that size from the heap from then on, which becomes large and sparse: 1,250 idle connections cost
/// 1.6 KiB each instead of 0.95.
pub fn share_one_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes the allocator's own locks and changes a limit.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_IN_HEAP);
    }
}

/// Size in bytes from which glibc maps a block separately: its initial value (mallopt(3)).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_IN_HEAP: libc::c_int = 128 * 1024;

/// Retains freed memory until [`trim_memory`] is called. By default glibc decides with each `free`: a queue that fills and
/// empties would return its pages and fault them in again each time, and yet retain those below a live byte forever.
pub(crate) fn retain_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes the allocator's own locks and changes a threshold.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}

/// Returns all freed memory to the kernel.
pub(crate) fn trim_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes the allocator's own locks and touches only free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// How many file descriptors this process may have open; `None` where that is not visible.
#[cfg(unix)]
pub(crate) fn descriptor_limit() -> Option<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one struct rlimit, to which it is given a valid pointer.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    usize::try_from(limit.rlim_cur).ok().filter(|_| result == 0)
}

#[cfg(not(unix))]
pub(crate) fn descriptor_limit() -> Option<usize> {
    None
}

/// Whether there is something to read now.
#[cfg(unix)]
pub(crate) fn has_bytes(stream: &std::net::TcpStream) -> bool {
    let (socket, flags) = (SockRef::from(stream), libc::MSG_PEEK | libc::MSG_DONTWAIT);
    socket.recv_with_flags(&mut [std::mem::MaybeUninit::uninit()], flags).is_ok_and(|count| count > 0)
}

/// This cannot be determined here without waiting, so a stream that stops keeps its buffer, which is counted.
#[cfg(not(unix))]
pub(crate) fn has_bytes(_: &std::net::TcpStream) -> bool {
    true
}

/// What [`poll`] waits for: that `socket` is readable or closed.
#[cfg(unix)]
pub(crate) fn readable(socket: &impl AsRaw) -> pollfd {
    pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// Waits until one of `sockets` is readable or closed. Returns early if interrupted.
#[cfg(unix)]
pub(crate) fn poll(sockets: &mut [pollfd]) -> io::Result<()> {
    let count = sockets.len() as libc::nfds_t;
    // SAFETY: the pointer and the count describe one slice of pollfd, borrowed mutably for the call.
    if unsafe { libc::poll(sockets.as_mut_ptr(), count, -1) } >= 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        error => Err(error),
    }
}
