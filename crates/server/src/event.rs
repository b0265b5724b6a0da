//! What a server reports: it never prints, it calls its owner's function with one of these.
//!
//! The function runs on the threads that serve, so it must return immediately and must not wait for a reader of the events:
//! `echoctl serve` puts them into a bounded queue and counts those that do not fit.

use std::io;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::Duration;

use crate::close_reason::CloseReason;

/// Something that happened in the server.
#[derive(Debug)]
pub enum Event {
    /// The server accepts connections.
    Listening(Listening),
    /// Its current state, every [`stats_every`](crate::Config).
    Stats(Stats),
    /// A connection was closed.
    Closed {
        /// Address of the peer.
        peer: SocketAddr,
        /// Why it was closed.
        reason: CloseReason,
        /// What passed through it.
        totals: Totals,
    },
    /// Shutdown has begun: the server waits for the connections that are still open.
    ShuttingDown {
        /// Number of open connections.
        connections: usize,
        /// How long it waits at most.
        drain: Duration,
    },
    /// Connections cannot be accepted, for lack of file descriptors or memory. The server retries by itself. Reported once
    /// when it begins, and again every 10 s.
    AcceptPaused {
        /// The kernel's error.
        error: io::Error,
    },
}

/// Where and how a server listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// Its address, with the port that the kernel chose for port 0.
    pub addr: SocketAddr,
    /// Send buffer of each connection in bytes, if one was requested (Linux doubles it).
    pub send_buffer: Option<usize>,
    /// Receive buffer of each connection in bytes, if one was requested (Linux doubles it).
    pub receive_buffer: Option<usize>,
}

/// What passed through a connection, or through the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes read from peers.
    pub received: u64,
    /// Bytes written to peers.
    pub sent: u64,
    /// Frames dropped by the policy `drop`.
    pub dropped_frames: u64,
}

/// State of the server at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Time since the server began to listen.
    pub uptime: Duration,
    /// Number of open connections.
    pub connections: usize,
    /// Number of connections accepted so far.
    pub accepted: u64,
    /// Totals of open and closed connections so far.
    pub totals: Totals,
    /// Bytes in reply queues and frame buffers: what the memory limit limits.
    pub buffered: u64,
    /// Kernel memory of the server's own end of all open connections, in bytes: send queues, receive queues and bookkeeping.
    /// What the peers' kernels hold (on loopback, as much again) is not included. `None` where that is not visible.
    pub own_kernel_memory: Option<u64>,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.received += other.received;
        self.sent += other.sent;
        self.dropped_frames += other.dropped_frames;
    }
}
