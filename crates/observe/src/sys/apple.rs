//! macOS: what XNU shows of processes and of this process's own sockets.

use std::io;
use std::os::fd::BorrowedFd;

use super::unix::getsockopt;
use crate::endpoint::number::u32_at;
use crate::{AsHandle, TcpInfo, TcpState};

/// The physical footprint of a process of the same user, including compressed pages, in bytes.
pub(crate) fn process_memory(pid: u32) -> io::Result<u64> {
    let pid = libc::c_int::try_from(pid).map_err(|_| io::ErrorKind::NotFound)?;
    let mut usage = std::mem::MaybeUninit::<libc::rusage_info_v4>::zeroed();
    // SAFETY: the requested flavour matches the structure, which is valid during the call.
    let result = unsafe { libc::proc_pid_rusage(pid, libc::RUSAGE_INFO_V4, usage.as_mut_ptr().cast()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it consists of numbers, which are valid when zero, and the kernel has filled them in.
    Ok(unsafe { usage.assume_init() }.ri_phys_footprint)
}

/// Bytes in the send buffer, sent or not: SO_NWRITE counts them until they are acknowledged.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut bytes = [0; 4];
    getsockopt(socket, libc::SOL_SOCKET, libc::SO_NWRITE, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// TCP_CONNECTION_INFO, parsed by the offsets of `netinet/tcp.h`, where fifteen flags share the four bytes at 52.
pub(crate) fn tcp_info(socket: &(impl AsHandle + ?Sized)) -> io::Result<TcpInfo> {
    let mut bytes = [0; 256];
    let length = getsockopt(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_CONNECTION_INFO, &mut bytes)?;
    parse(&bytes[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(bytes: &[u8]) -> Option<TcpInfo> {
    let mss = u32_at(bytes, 16)?;
    Some(TcpInfo {
        state: state(*bytes.first()?),
        snd_mss: mss,
        // In bytes here; in segments in `TcpInfo`.
        snd_cwnd: u32_at(bytes, 24)? / mss.max(1),
        snd_wnd: u32_at(bytes, 28),
        rcv_wnd: u32_at(bytes, 36),
        ..TcpInfo::default()
    })
}

/// Converts the numbers of `netinet/tcp_fsm.h`.
fn state(number: u8) -> TcpState {
    match number {
        0 => TcpState::Closed,
        1 => TcpState::Listen,
        2 => TcpState::SynSent,
        3 => TcpState::SynReceived,
        4 => TcpState::Established,
        5 => TcpState::CloseWait,
        6 => TcpState::FinWait1,
        7 => TcpState::Closing,
        8 => TcpState::LastAck,
        9 => TcpState::FinWait2,
        10 => TcpState::TimeWait,
        other => TcpState::Unknown(other),
    }
}
