//! What a sampler reads of a connection while it is used: its addresses, and the bytes written and read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A connection whose counters another thread may read at any time.
pub trait LiveConnection {
    /// Its addresses and counters.
    fn counters(&self) -> &LiveCounters;

    /// Bytes that the kernels count and its totals do not, in each direction.
    fn uncounted(&self) -> u64 {
        0
    }

    /// The local address.
    fn local_addr(&self) -> SocketAddr {
        self.counters().local
    }

    /// The server's address.
    fn peer_addr(&self) -> SocketAddr {
        self.counters().peer
    }

    /// Bytes written. Counted when a write returns, so the kernel may be ahead by one write.
    fn produced(&self) -> u64 {
        self.counters().produced.load(Relaxed)
    }

    /// Bytes read.
    fn consumed(&self) -> u64 {
        self.counters().consumed.load(Relaxed)
    }

    /// Bytes written and read, as the kernels count them. Read is counted first: what comes back in between was sent before.
    fn in_kernels(&self) -> (u64, u64) {
        let consumed = self.consumed() + self.uncounted();
        (self.produced() + self.uncounted(), consumed)
    }
}

/// The addresses of a connection, and its bytes so far. Relaxed atomics, each of which is written by one thread or task.
#[derive(Debug)]
pub struct LiveCounters {
    local: SocketAddr,
    peer: SocketAddr,
    produced: AtomicU64,
    consumed: AtomicU64,
}

impl LiveCounters {
    pub(crate) fn new(local: SocketAddr, peer: SocketAddr) -> LiveCounters {
        LiveCounters { local, peer, produced: AtomicU64::new(0), consumed: AtomicU64::new(0) }
    }

    /// Adds `bytes` to the bytes written.
    pub(crate) fn record_write(&self, bytes: usize) {
        self.produced.fetch_add(bytes as u64, Relaxed);
    }

    /// Adds `bytes` to the bytes read.
    pub(crate) fn record_read(&self, bytes: usize) {
        self.consumed.fetch_add(bytes as u64, Relaxed);
    }
}
