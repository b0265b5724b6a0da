//! The descriptor of a connection's socket, for those who do not own the connection.

use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{BorrowedFd as Borrowed, RawFd as Raw};
#[cfg(windows)]
use std::os::windows::io::{BorrowedSocket as Borrowed, RawSocket as Raw};

use socket2::SockRef;

use super::AsRaw;

/// The file descriptor of a socket that a connection owns, to shut the socket down or query it from elsewhere.
///
/// Invariant, maintained by the connection table, its only owner: it is stored in an entry while the socket is open, and removed,
/// under the lock of the entry, before the socket closes. Its methods are called under the same lock.
#[derive(Debug)]
pub(crate) struct Descriptor(Raw);

impl Descriptor {
    pub(crate) fn of(socket: &impl AsRaw) -> Descriptor {
        #[cfg(unix)]
        return Descriptor(socket.as_raw_fd());
        #[cfg(windows)]
        return Descriptor(socket.as_raw_socket());
    }

    /// Shuts down one or both directions, which wakes the owner, whatever it is waiting for.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        // SAFETY: the socket is open for the duration of this call (see the invariant), so the borrow is of a live socket.
        let socket = unsafe { Borrowed::borrow_raw(self.0) };
        // An error means that the peer is already gone, which the owner notices itself.
        let _ = SockRef::from(&socket).shutdown(how);
    }
}

#[cfg(target_os = "linux")]
impl Descriptor {
    /// Bytes that were written to the socket and not acknowledged by the peer's kernel; `None` where that is not visible.
    pub(crate) fn send_queue(&self) -> Option<u32> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: the socket is open (see the invariant), and TIOCOUTQ writes one int, to which it is given a valid pointer.
        let result = unsafe { libc::ioctl(self.0, libc::TIOCOUTQ, &raw mut bytes) };
        u32::try_from(bytes).ok().filter(|_| result == 0)
    }

    /// Bytes that the peer's kernel has acknowledged, since the connection was accepted; `None` where that is not visible
    /// (Linux before 4.1, some sandboxes). Takes less than a microsecond.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        let info = self.option::<TCP_INFO_TO_BYTES_ACKED>(libc::IPPROTO_TCP, libc::TCP_INFO)?;
        info.last_chunk().map(|&bytes| u64::from_ne_bytes(bytes))
    }

    /// Kernel memory of the socket in bytes: both queues, and what is reserved for them. `None` where that is not visible (Linux
    /// before 4.12). Takes half a microsecond.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        let memory = self.option::<MEMINFO_TO_WMEM_QUEUED>(libc::SOL_SOCKET, SO_MEMINFO)?;
        let (numbers, _) = memory.as_chunks();
        let [receive_queue, reserved, send_queue] =
            [0, 4, 5].map(|i| u64::from(u32::from_ne_bytes(numbers[i])));
        Some(receive_queue + reserved + send_queue)
    }

    /// The first `N` bytes of a socket option; `None` if the kernel does not have as many.
    fn option<const N: usize>(&self, level: libc::c_int, name: libc::c_int) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut length = N as libc::socklen_t;
        // SAFETY: the socket is open (see the invariant), and the kernel writes at most `length` bytes to the array.
        let result =
            unsafe { libc::getsockopt(self.0, level, name, bytes.as_mut_ptr().cast(), &raw mut length) };
        (result == 0 && length as usize == N).then_some(bytes)
    }
}

/// Not visible on other systems.
#[cfg(not(target_os = "linux"))]
impl Descriptor {
    pub(crate) fn send_queue(&self) -> Option<u32> {
        None
    }

    pub(crate) fn acknowledged(&self) -> Option<u64> {
        None
    }

    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        None
    }
}

/// Bytes of `struct tcp_info` (`include/uapi/linux/tcp.h`) up to and including `tcpi_bytes_acked`: 8 bytes of flags, 24 `u32` and
/// 3 `u64`. The libc crate's struct differs from one C library to the next.
#[cfg(target_os = "linux")]
const TCP_INFO_TO_BYTES_ACKED: usize = 8 + 24 * 4 + 3 * 8;

/// From `include/uapi/asm-generic/socket.h`; the libc crate does not have it. It fills an array of nine `u32`, of which the first
/// six are read (`include/uapi/linux/sock_diag.h`).
#[cfg(target_os = "linux")]
const SO_MEMINFO: libc::c_int = 55;
#[cfg(target_os = "linux")]
const MEMINFO_TO_WMEM_QUEUED: usize = 6 * 4;
