//! What the standard library does not ask the kernel: the only `unsafe` code of the server.
//!
//! Each call is made in one place, wrapped in a safe function, and argued.
#![allow(unsafe_code)]

use std::io;
#[cfg(target_os = "linux")]
use std::io::Read;
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, BorrowedSocket, RawSocket};
use std::task::Poll;

use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// The number of a socket that somebody else owns, noted so that the socket can be shut down from elsewhere.
///
/// Invariant, kept by its only holder, the table: it is noted while the socket is open, and taken out of its entry, under
/// the entry's lock, before the socket closes. Its methods are called under the same lock.
#[derive(Debug)]
pub(crate) struct Descriptor(#[cfg(unix)] RawFd, #[cfg(windows)] RawSocket);

impl Descriptor {
    #[cfg(unix)]
    pub(crate) fn of(socket: &impl AsRawFd) -> Descriptor {
        Descriptor(socket.as_raw_fd())
    }

    #[cfg(windows)]
    pub(crate) fn of(socket: &impl AsRawSocket) -> Descriptor {
        Descriptor(socket.as_raw_socket())
    }

    /// Shuts one or both directions down, whatever its owner is waiting for: the owner wakes.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        // SAFETY: the socket is open for the duration of this call (see the invariant), so the borrow is of a live socket.
        #[cfg(unix)]
        let socket = unsafe { BorrowedFd::borrow_raw(self.0) };
        // SAFETY: as above.
        #[cfg(windows)]
        let socket = unsafe { BorrowedSocket::borrow_raw(self.0) };
        // An error means that the peer has already gone, which the owner learns by itself.
        let _ = SockRef::from(&socket).shutdown(how);
    }

    /// Bytes that were written to the socket and that the peer's kernel has not taken, or `None` where that is not visible.
    #[cfg(target_os = "linux")]
    pub(crate) fn send_queue(&self) -> Option<u32> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: the socket is open (see the invariant), and TIOCOUTQ writes one int, to which it is given a valid pointer.
        let result = unsafe { libc::ioctl(self.0, libc::TIOCOUTQ, &raw mut bytes) };
        u32::try_from(bytes).ok().filter(|_| result == 0)
    }

    /// Not visible on this system.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send_queue(&self) -> Option<u32> {
        None
    }

    /// Bytes that the peer's kernel has acknowledged, since the connection was accepted; `None` where that is not visible
    /// (Linux before 4.1, sandboxes that show less). Less than a microsecond.
    #[cfg(target_os = "linux")]
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        let mut info = [0u64; TCP_INFO_BYTES_ACKED + 1];
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: the socket is open (see the invariant), and the kernel writes at most `length` bytes to the array.
        let result = unsafe {
            libc::getsockopt(
                self.0,
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let is_complete = result == 0 && length as usize == size_of_val(&info);
        is_complete.then_some(info[TCP_INFO_BYTES_ACKED])
    }

    /// Not visible on this system.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        None
    }

    /// Bytes of memory that the socket takes in the kernel, both queues and what is set aside for them; `None` where that is
    /// not visible (Linux before 4.12). Half a microsecond.
    #[cfg(target_os = "linux")]
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        let mut values = [0u32; MEMINFO_VALUES];
        let mut length = size_of_val(&values) as libc::socklen_t;
        // SAFETY: the socket is open (see the invariant), and the kernel writes at most `length` bytes to the array.
        let result = unsafe {
            libc::getsockopt(
                self.0,
                libc::SOL_SOCKET,
                SO_MEMINFO,
                values.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let [receive_queue, _, _, _, set_aside, send_queue, ..] = values;
        let is_whole = result == 0 && length as usize >= 6 * size_of::<u32>();
        is_whole.then(|| u64::from(receive_queue) + u64::from(set_aside) + u64::from(send_queue))
    }

    /// Not visible on this system.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        None
    }
}

/// Reads beyond an urgent mark, for when a non-blocking read has said that there is nothing left.
///
/// A read ends at the place that a peer has marked urgent, though there is more behind it; tokio takes a short read for the
/// last one until more arrives, which with bytes already there may be never. `Pending` where there is no mark.
#[cfg(target_os = "linux")]
pub(crate) fn read_past_mark(socket: &TcpStream, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let mut is_at_mark: libc::c_int = 0;
    // SAFETY: the socket is borrowed, so it is open, and SIOCATMARK writes one int, to which it is given a valid pointer.
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCATMARK, &raw mut is_at_mark) };
    if asked != 0 || is_at_mark == 0 {
        return Poll::Pending;
    }
    match (&*SockRef::from(socket)).read(room.initialize_unfilled()) {
        Ok(count) => {
            room.advance(count);
            Poll::Ready(Ok(()))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Poll::Pending
        }
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// Whether others stop at urgent marks is not known: nothing is read there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_past_mark(_: &TcpStream, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    Poll::Pending
}

/// From `include/uapi/asm-generic/sockios.h`; the libc crate does not have it for every architecture.
#[cfg(target_os = "linux")]
const SIOCATMARK: libc::Ioctl = 0x8905;

/// Where `tcpi_bytes_acked` is in `struct tcp_info`, counted in `u64` (`include/uapi/linux/tcp.h`): after 8 bytes of flags, 24
/// `u32` and 2 `u64`. The libc crate's struct differs from one C library to the next.
#[cfg(target_os = "linux")]
const TCP_INFO_BYTES_ACKED: usize = 15;

/// From `include/uapi/asm-generic/socket.h`; the libc crate does not have it. It fills an array of nine `u32`.
#[cfg(target_os = "linux")]
const SO_MEMINFO: libc::c_int = 55;
#[cfg(target_os = "linux")]
const MEMINFO_VALUES: usize = 9;

/// Raises the number of descriptors that the process may have open to the most it is allowed to ask for, and returns it.
///
/// It concerns the whole process, so the program calls it and not the server.
///
/// # Errors
/// When the kernel refuses; the limit is then as it was.
#[cfg(unix)]
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

/// There is no such limit on this system.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> io::Result<u64> {
    Ok(u64::MAX)
}

/// From now on all threads allocate from one heap. glibc gives each thread a heap of its own otherwise, and
/// trimming returns only the end of the first to the kernel: after a crowd of a thousand peers had gone, 2 to 12 MiB stayed.
/// Connections allocate seldom enough not to wait for each other. Each heap also reserves 64 MiB of address space, of which
/// `ulimit -v` may leave too little. A heap once made stays, so this comes before any thread.
///
/// Blocks larger than `LARGEST_IN_HEAP` stay out of it. glibc takes a large block that is freed, as the checks for room
/// do, for a reason to serve its size from the heap from then on, which then becomes large and sparse: 1,250 idle
/// connections took 1.6 KiB each instead of 0.95.
pub fn share_one_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes the allocator's own locks and changes a limit.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_IN_HEAP);
    }
}

/// Bytes from which on glibc maps a block of its own: what it begins with (mallopt(3)).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_IN_HEAP: libc::c_int = 128 * 1024;

/// From now on freed memory is kept until [`trim_memory`] is called. glibc decides with each `free` otherwise: a queue that
/// fills and empties would return its pages and fault them in again each time, and yet keep those that lie below a live
/// byte for ever.
pub(crate) fn retain_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes the allocator's own locks and changes a threshold.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}

/// Gives all freed memory back to the kernel.
pub(crate) fn trim_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes the allocator's own locks and touches free memory alone.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Waits until one of `sockets` has something to read or has ended. An interrupted wait returns at once.
#[cfg(unix)]
pub(crate) fn poll(sockets: &mut [libc::pollfd]) -> io::Result<()> {
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
