//! One connection of a ping: its blocking socket and its byte counters, shared with a sampler.

use std::io;
use std::net::TcpStream;

use crate::live::{LiveConnection, LiveCounters};

/// One connection of a ping. Its socket can be borrowed (`AsFd`, `AsSocket`), to query the kernel.
#[derive(Debug)]
pub struct PingConnection {
    pub(super) stream: TcpStream,
    pub(super) counters: LiveCounters,
}

impl PingConnection {
    pub(super) fn new(stream: TcpStream) -> io::Result<PingConnection> {
        let counters = LiveCounters::new(stream.local_addr()?, stream.peer_addr()?);
        Ok(PingConnection { stream, counters })
    }
}

impl LiveConnection for PingConnection {
    fn counters(&self) -> &LiveCounters {
        &self.counters
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for PingConnection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for PingConnection {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.stream.as_socket()
    }
}
