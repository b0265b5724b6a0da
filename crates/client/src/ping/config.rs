//! Configuration of a ping: plain values.

use std::net::SocketAddr;
use std::time::Duration;

use echoctl_proto::Framing;

/// What to send, how often, and when to stop.
#[derive(Debug, Clone)]
pub struct PingConfig {
    /// The server, which must echo the frames.
    pub addr: SocketAddr,
    /// Framing; must match the server's.
    pub framing: Framing,
    /// Frame size in bytes, framing overhead included; at most [`MAX_SIZE`](PingConfig::MAX_SIZE).
    pub size: usize,
    /// Number of connections; each has at most one frame in flight.
    pub connections: usize,
    /// Frames per second over all connections; `None`: closed loop.
    pub rate: Option<u64>,
    /// How much later than the start the first frame is due at a fixed rate, so that the frames of several machines are due one after
    /// the other.
    pub phase: Duration,
    /// Total number of frames; `None`: no limit.
    pub count: Option<u64>,
    /// How long to send frames; `None`: no limit.
    pub duration: Option<Duration>,
    /// Timeout of each reply, from the write of the frame to the last byte of the reply. More than 0.
    pub timeout: Duration,
    /// Maximum duration of a handshake. More than 0.
    pub connect_timeout: Duration,
}

impl PingConfig {
    /// Maximum frame size in bytes. It fits into the queues of any socket, so a frame can be written completely
    /// before its reply is read, and client and server cannot deadlock.
    pub const MAX_SIZE: usize = 64 * 1024;
}
