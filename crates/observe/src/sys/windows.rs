//! Windows: what it shows of processes and of this process's own sockets.

use std::fs::File;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsRawSocket, BorrowedSocket};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::Networking::WinSock::{
    FIONREAD, SIO_TCP_INFO, SOCKET, TCP_INFO_v0, WSAIoctl, ioctlsocket,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

use crate::{AsHandle, TcpInfo, TcpState};

/// The private memory that a process has committed, in bytes.
pub(crate) fn process_memory(pid: u32) -> io::Result<u64> {
    // SAFETY: accepts plain numbers, returns a handle or null.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    let size = size_of::<PROCESS_MEMORY_COUNTERS_EX>() as u32;
    let mut counters = MaybeUninit::<PROCESS_MEMORY_COUNTERS_EX>::zeroed();
    let place: *mut PROCESS_MEMORY_COUNTERS = counters.as_mut_ptr().cast();
    // SAFETY: the handle is open; the longer structure begins with the shorter one, its size is passed, and it is
    // valid during the call.
    let read = unsafe { K32GetProcessMemoryInfo(process, place, size) };
    let error = io::Error::last_os_error();
    // SAFETY: the handle is open and not used after this call.
    unsafe { CloseHandle(process) };
    if read == 0 {
        return Err(error);
    }
    // SAFETY: it consists of numbers, which are valid when zero, and the call has filled them in.
    Ok(unsafe { counters.assume_init() }.PrivateUsage as u64)
}

/// Memory that the machine has left, in bytes: in RAM, or that can still be committed if that is less.
pub(crate) fn memory_left() -> Option<u64> {
    let mut status = MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
    // SAFETY: the structure contains its own size, and is valid during the call, which only writes to it.
    let result = unsafe { GlobalMemoryStatusEx(&mut status) };
    (result != 0).then(|| status.ullAvailPhys.min(status.ullAvailPageFile))
}

/// Bytes that can be read.
pub(crate) fn unread(socket: BorrowedSocket<'_>) -> io::Result<u32> {
    let mut count = 0;
    // SAFETY: the socket is open, since it is borrowed; FIONREAD writes one u32, which is valid during the call.
    let result = unsafe { ioctlsocket(socket.as_raw_socket() as SOCKET, FIONREAD, &mut count) };
    if result == 0 { Ok(count) } else { Err(io::Error::last_os_error()) }
}

/// SIO_TCP_INFO, version 0: Windows 10 1703 and later.
pub(crate) fn tcp_info(socket: &(impl AsHandle + ?Sized)) -> io::Result<TcpInfo> {
    let version: u32 = 0;
    let mut info = MaybeUninit::<TCP_INFO_v0>::zeroed();
    let mut returned = 0;
    // SAFETY: the socket is open, since it is borrowed; the input is one u32 and the output the structure of that
    // version, both are passed with their sizes, and both are valid during the call, which is not overlapped.
    let result = unsafe {
        WSAIoctl(
            socket.as_socket().as_raw_socket() as SOCKET,
            SIO_TCP_INFO,
            (&raw const version).cast(),
            size_of::<u32>() as u32,
            info.as_mut_ptr().cast(),
            size_of::<TCP_INFO_v0>() as u32,
            &mut returned,
            null_mut(),
            None,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it consists of numbers, which are valid when zero, and the call has filled them in.
    let info = unsafe { info.assume_init() };
    Ok(TcpInfo {
        state: state(info.State),
        snd_mss: info.Mss,
        // In bytes here; in segments in `TcpInfo`.
        snd_cwnd: info.Cwnd / info.Mss.max(1),
        snd_wnd: Some(info.SndWnd),
        rcv_wnd: Some(info.RcvWnd),
        bytes_acked: Some(info.BytesOut.saturating_sub(info.BytesInFlight.into())),
        bytes_received: Some(info.BytesIn),
        ..TcpInfo::default()
    })
}

/// Converts the numbers of `mstcpip.h`.
fn state(number: i32) -> TcpState {
    match number {
        0 => TcpState::Closed,
        1 => TcpState::Listen,
        2 => TcpState::SynSent,
        3 => TcpState::SynReceived,
        4 => TcpState::Established,
        5 => TcpState::FinWait1,
        6 => TcpState::FinWait2,
        7 => TcpState::CloseWait,
        8 => TcpState::Closing,
        9 => TcpState::LastAck,
        10 => TcpState::TimeWait,
        other => TcpState::Unknown(u8::try_from(other).unwrap_or(u8::MAX)),
    }
}

/// This system has no limit of open file descriptors.
///
/// # Errors
/// None.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    Ok(u64::MAX)
}

/// The name of this host; `None` if it has none.
pub(crate) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

/// Size of a page of memory in bytes, on the processors that Windows supports.
pub(crate) fn page_size() -> u64 {
    4096
}

/// Reads a file from an offset on, wherever it was read before.
pub(crate) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(into, offset)
}

/// Ticks per second, the unit of processor time in `/proc`, which this system does not have.
pub(crate) fn clock_ticks() -> u64 {
    100
}

/// Not queried on this system.
pub fn thread_processor_time() -> Option<std::time::Duration> {
    None
}
