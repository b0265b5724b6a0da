//! TCP_INFO: all counters that the kernel has for one endpoint of a connection, in one consistent snapshot, in less
//! than 1 µs.
//!
//! The kernel's structure has grown over the years and is shorter in older kernels (and in musl's headers). So it is
//! parsed from bytes, up to the length that the kernel returned; later fields are `None`.
//!
//! Only fields with a use are parsed. A trap, repeated where it matters: `bytes_acked` and `bytes_received` count SYN and FIN as
//! bytes. `bytes_sent` is not among them: it counts retransmitted bytes again, and even loopback retransmits.

use std::io;

use super::number::{u32_at, u64_at};
use crate::{AsHandle, TcpState, sys};

/// The kernel's counters of one endpoint of a TCP connection. Fields that this kernel does not have are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpInfo {
    /// The state of this endpoint.
    pub state: TcpState,
    /// Payload bytes per segment to the peer.
    pub snd_mss: u32,
    /// The congestion window, in segments: the sender's estimate of how much the *network* can carry, not the peer.
    pub snd_cwnd: u32,
    /// Milliseconds since payload was last sent, for the first time or again; since the connection was opened, if none was. A probe
    /// of a closed window sends none.
    pub last_data_sent: Option<u32>,
    /// Milliseconds since payload last arrived; since the connection was opened, if none has.
    pub last_data_recv: Option<u32>,
    /// Milliseconds since the peer's kernel last acknowledged anything, even a probe: it was alive then.
    pub last_ack_recv: Option<u32>,
    /// Bytes that the peer has acknowledged. Includes one for the SYN on the connecting side, and one for an
    /// acknowledged FIN.
    pub bytes_acked: Option<u64>,
    /// Bytes that arrived in order. Includes one for the peer's FIN.
    pub bytes_received: Option<u64>,
    /// Segments sent, of all kinds.
    pub segs_out: Option<u32>,
    /// Segments received, of all kinds.
    pub segs_in: Option<u32>,
    /// Segments sent with payload.
    pub data_segs_out: Option<u32>,
    /// Microseconds during which the peer's receive window was too small for what waited: the clock of a stall. Linux 4.10 and later.
    pub rwnd_limited: Option<u64>,
    /// The receive window that the peer last advertised, in bytes. Linux 5.4 and later.
    pub snd_wnd: Option<u32>,
    /// The receive window that this endpoint advertises, in bytes. Linux 6.2 and later.
    pub rcv_wnd: Option<u32>,
}

impl TcpInfo {
    /// The counters of a socket of this process.
    ///
    /// # Errors
    /// If it is not a TCP socket, or this system has no such counters.
    pub fn of(socket: &(impl AsHandle + ?Sized)) -> io::Result<TcpInfo> {
        #[cfg(target_os = "linux")]
        {
            let mut bytes = [0; ROOM];
            let length = sys::getsockopt(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes)?;
            TcpInfo::parse(&bytes[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        #[cfg(not(target_os = "linux"))]
        sys::tcp_info(socket)
    }

    /// Parses Linux's `struct tcp_info`, as many bytes as the kernel returned. `None` for fewer than 104 bytes, which
    /// every kernel of the last fifteen years returns.
    pub fn parse(bytes: &[u8]) -> Option<TcpInfo> {
        let bytes = bytes.get(..SHORTEST).map(|_| bytes)?;
        Some(TcpInfo {
            state: TcpState::from_linux(bytes[0]),
            snd_mss: u32_at(bytes, 16)?,
            snd_cwnd: u32_at(bytes, 80)?,
            last_data_sent: u32_at(bytes, 44),
            last_data_recv: u32_at(bytes, 52),
            last_ack_recv: u32_at(bytes, 56),
            bytes_acked: u64_at(bytes, 120),
            bytes_received: u64_at(bytes, 128),
            segs_out: u32_at(bytes, 136),
            segs_in: u32_at(bytes, 140),
            data_segs_out: u32_at(bytes, 156),
            rwnd_limited: u64_at(bytes, 176),
            snd_wnd: u32_at(bytes, 228),
            rcv_wnd: u32_at(bytes, 232),
        })
    }

    /// Payload bytes that arrived: `bytes_received` without the peer's FIN. In the state CLOSED the kernel no longer
    /// shows whether there was a FIN, so this may be 1 too large.
    pub fn payload_received(&self) -> Option<u64> {
        let fin = u64::from(COUNTS_FLAGS && self.state.has_received_fin());
        Some(self.bytes_received?.saturating_sub(fin))
    }

    /// Payload bytes that the peer acknowledged: `bytes_acked` without SYN and FIN. In the state CLOSED it may be 1
    /// too large, too.
    pub fn payload_acked(&self, side: Side) -> Option<u64> {
        let syn = u64::from(COUNTS_FLAGS && side == Side::Connecting);
        let fin = u64::from(COUNTS_FLAGS && self.state.has_acknowledged_fin());
        Some(self.bytes_acked?.saturating_sub(syn + fin))
    }
}

/// The side of a connection to which a socket belongs. One counter depends on it: [`TcpInfo::bytes_acked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The side that called connect.
    Connecting,
    /// The side that was returned by accept.
    Accepting,
}

/// Whether the kernel counts SYN and FIN as bytes: only Linux does.
const COUNTS_FLAGS: bool = cfg!(target_os = "linux");

/// Bytes: the structure of Linux 2.6, which later ones have only extended.
const SHORTEST: usize = 104;

/// Bytes. More than any kernel returns (280 in Linux 6.18); the kernel truncates a longer structure.
#[cfg(target_os = "linux")]
const ROOM: usize = 512;

#[cfg(test)]
mod tests;
