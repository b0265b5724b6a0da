//! One connection of a ping: its blocking socket and its byte counters, shared with a sampler.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One connection of a ping. Its socket can be borrowed (`AsFd`, `AsSocket`), to query the kernel.
#[derive(Debug)]
pub struct PingConnection {
    pub(super) stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    produced: AtomicU64,
    consumed: AtomicU64,
}

impl PingConnection {
    pub(super) fn new(stream: TcpStream) -> io::Result<PingConnection> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        Ok(PingConnection { stream, local, peer, produced: AtomicU64::new(0), consumed: AtomicU64::new(0) })
    }

    /// The local address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The server's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes written. Counted when a write returns, so the kernel may be ahead by one frame.
    pub fn produced(&self) -> u64 {
        self.produced.load(Relaxed)
    }

    /// Bytes read.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Relaxed)
    }

    pub(super) fn record_write(&self, bytes: usize) {
        self.produced.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn record_read(&self, bytes: usize) {
        self.consumed.fetch_add(bytes as u64, Relaxed);
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
