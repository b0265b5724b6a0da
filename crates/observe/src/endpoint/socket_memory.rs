//! Kernel memory of a socket, which is not part of any process's memory.

use super::number::u32_at;

/// Kernel memory of one socket, in bytes. It includes bookkeeping, which is large for small segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketMemory {
    /// Used by the receive queue.
    pub receive: u32,
    /// Current limit of the receive queue. The kernel raises it while the program reads quickly.
    pub receive_limit: u32,
    /// Used by the send queue.
    pub send: u32,
    /// Current limit of the send queue. The kernel raises it as the queue is used.
    pub send_limit: u32,
    /// Reserved for the socket's future use.
    pub reserved: u32,
}

impl SocketMemory {
    /// The total: both queues and the reserved memory.
    pub fn total(&self) -> u64 {
        u64::from(self.receive) + u64::from(self.send) + u64::from(self.reserved)
    }

    /// Whether the kernel reports the socket as writable, and wakes a blocked writer: once the free part of its send buffer is at
    /// least half of the used part (`sk_stream_is_writeable` in `include/net/sock.h`). So a writer can be blocked while up to a
    /// third of the buffer is free.
    pub fn is_writable(&self) -> bool {
        self.send_limit.saturating_sub(self.send) >= self.send / 2
    }

    /// Parses Linux's SK_MEMINFO array (nine `u32`), as many bytes as the kernel returned.
    pub fn parse(bytes: &[u8]) -> Option<SocketMemory> {
        let at = |index: usize| u32_at(bytes, 4 * index);
        Some(SocketMemory {
            receive: at(0)?,
            receive_limit: at(1)?,
            send_limit: at(3)?,
            reserved: at(4)?,
            send: at(5)?,
        })
    }

    /// Parses the same array of a Unix-domain socket, whose send queue holds what its peer has not read.
    pub(crate) fn parse_unix(bytes: &[u8]) -> Option<SocketMemory> {
        Some(SocketMemory { send: u32_at(bytes, 8)?, ..SocketMemory::parse(bytes)? })
    }

    /// The memory of a TCP socket of this process.
    ///
    /// # Errors
    /// If the kernel refuses; Linux before 4.12 does not support it.
    #[cfg(target_os = "linux")]
    pub fn of(socket: &(impl crate::AsHandle + ?Sized)) -> std::io::Result<SocketMemory> {
        let mut bytes = [0; 64];
        let length = crate::sys::getsockopt(socket.as_fd(), libc::SOL_SOCKET, SO_MEMINFO, &mut bytes)?;
        SocketMemory::parse(&bytes[..length]).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }

    /// Not visible on this system.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_: &(impl crate::AsHandle + ?Sized)) -> std::io::Result<SocketMemory> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// From `include/uapi/asm-generic/socket.h`; the libc crate does not define it.
#[cfg(target_os = "linux")]
const SO_MEMINFO: libc::c_int = 55;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_array_is_parsed_in_order() {
        let array: [u32; 9] = [11, 22, 33, 44, 55, 66, 77, 88, 99];
        let bytes: Vec<u8> = array.iter().flat_map(|value| value.to_ne_bytes()).collect();

        let memory = SocketMemory::parse(&bytes).unwrap();

        assert_eq!((memory.receive, memory.receive_limit), (11, 22));
        assert_eq!((memory.send, memory.send_limit), (66, 44));
        assert_eq!(memory.reserved, 55);
        assert_eq!(memory.total(), 11 + 66 + 55);
        assert_eq!(SocketMemory::parse(&bytes[..20]), None);
        assert_eq!(SocketMemory::parse_unix(&bytes).unwrap().send, 33);
    }
}
