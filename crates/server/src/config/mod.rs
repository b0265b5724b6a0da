//! Settings of the server.

mod check;
mod io;
mod min_rate;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use echoctl_proto::Framing;

pub use self::check::{ConfigError, Setting};
pub use self::io::Io;
pub use self::min_rate::MinRate;
use crate::connection::read_size::LARGE_READ;

use crate::policy::Policy;

/// Settings of a server. `Config::default()` is what `echoctl serve` does without options.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 lets the kernel choose. Default 127.0.0.1:7007.
    pub addr: SocketAddr,
    /// How frame boundaries are found. Default lines.
    pub framing: Framing,
    /// Maximum payload of a frame, in bytes; a longer frame closes its connection. Default 1 MiB. No effect with raw.
    pub max_frame: usize,
    /// What to do when replies are produced faster than the peer reads them. Default await.
    pub policy: Policy,
    /// I/O model. Default tasks.
    pub io: Io,
    /// Number of threads that serve, with [`Io::Tasks`] and [`Io::Uring`] only. Default one per core, fewer where this process may
    /// open few descriptors; at most [`MOST_WORKERS`](Config::MOST_WORKERS).
    pub workers: Option<usize>,
    /// Maximum number of bytes in reply queues and frame buffers, over all connections; at the limit the connection that
    /// buffers most is reset. Default 1 GiB; a caller that can see how much memory is left to the process sets a share of it.
    pub memory_limit: u64,
    /// Maximum number of open connections; further ones wait in the accept backlog. Default 10,000, at most
    /// [`MOST_CONNECTIONS`](Config::MOST_CONNECTIONS).
    pub max_connections: usize,
    /// Disconnects a peer after this long without input or pending output in the server. Default: never.
    pub idle_timeout: Option<Duration>,
    /// Disconnects a peer whose kernel acknowledges no byte for this long while output is pending, in the server or in the
    /// kernel's send queue. (Where acknowledgements are not visible: when our kernel accepts none.) Default: never.
    ///
    /// A slow reader is acknowledged in jumps of up to 2.3 MiB, so the timeout must exceed the time in which the slowest peer
    /// reads one: see docs/policies.md.
    pub write_timeout: Option<Duration>,
    /// Disconnects a peer whose kernel acknowledges pending output more slowly than this. Default: no minimum.
    pub min_rate: Option<MinRate>,
    /// Send buffer to request from the kernel, in bytes. Default: the kernel's own, which grows as needed.
    pub send_buffer: Option<usize>,
    /// Receive buffer to request from the kernel, in bytes. Default: the kernel's own, which grows as needed.
    pub receive_buffer: Option<usize>,
    /// How long a shutdown waits for peers to read their pending replies. Default 5 s.
    pub drain: Duration,
    /// Whether a connection's first frame can name it: `name ada`. The frame is echoed like any other. Default: no.
    pub names: bool,
    /// Interval between [`Event::Stats`](crate::Event). Default: never.
    pub stats_every: Option<Duration>,
}

impl Config {
    /// Default of [`addr`](Config::addr).
    pub const ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7007);
    /// Default of [`max_frame`](Config::max_frame): 1 MiB.
    pub const MAX_FRAME: usize = 1 << 20;
    /// Default limit of a reply queue: 1 MiB.
    pub const QUEUE_LIMIT: usize = 1 << 20;
    /// Default of [`memory_limit`](Config::memory_limit): 1 GiB.
    pub const MEMORY_LIMIT: u64 = 1 << 30;
    /// Default of [`max_connections`](Config::max_connections).
    pub const MAX_CONNECTIONS: usize = 10_000;
    /// The highest [`max_connections`](Config::max_connections): the kernel's default maximum of file descriptors per process
    /// (`fs.nr_open`).
    pub const MOST_CONNECTIONS: usize = 1 << 20;
    /// The highest number of [`workers`](Config::workers), and of threads of a [`runtime`](crate::runtime): more than the cores that one server could use.
    pub const MOST_WORKERS: usize = 1024;
    /// The largest [`send_buffer`](Config::send_buffer) and [`receive_buffer`](Config::receive_buffer) in bytes: 1 GiB. The
    /// kernel stores twice the number in a signed 32-bit integer.
    pub const LARGEST_KERNEL_BUFFER: usize = 1 << 30;
    /// The longest [`idle_timeout`](Config::idle_timeout), [`write_timeout`](Config::write_timeout) and
    /// [`period`](MinRate::period): 24 days. They are measured with a 32-bit clock in milliseconds, in which the order of two
    /// instants is known up to 24.8 days.
    pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 86_400);
    /// Default of [`drain`](Config::drain).
    pub const DRAIN: Duration = Duration::from_secs(5);

    /// Maximum payload in bytes that is accepted: [`max_frame`](Config::max_frame), or less if the memory limit does not
    /// allow a buffer for such a frame and one read.
    pub fn longest_payload(&self) -> usize {
        let room = (LARGE_READ + self.framing.overhead()) as u64;
        let most = self.memory_limit.saturating_sub(room).max(self.memory_limit / 2);
        self.max_frame.min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Length of the longest frame that is accepted, in bytes, framing included.
    pub(crate) fn longest_frame(&self) -> usize {
        match self.framing {
            Framing::Raw => 0,
            framing => self.longest_payload().saturating_add(framing.overhead()),
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            addr: Config::ADDR,
            framing: Framing::Lines,
            max_frame: Config::MAX_FRAME,
            policy: Policy::Await,
            io: Io::Tasks,
            workers: None,
            memory_limit: Config::MEMORY_LIMIT,
            max_connections: Config::MAX_CONNECTIONS,
            idle_timeout: None,
            write_timeout: None,
            min_rate: None,
            send_buffer: None,
            receive_buffer: None,
            drain: Config::DRAIN,
            names: false,
            stats_every: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_limit_bounds_the_longest_payload() {
        let longest = |max_frame, memory_limit| {
            let framing = Framing::U32;
            Config { framing, max_frame, memory_limit, ..Config::default() }.longest_payload()
        };

        assert_eq!(longest(1 << 20, 64 << 20), 1 << 20);
        let most = longest(1 << 40, 64 << 20);
        assert!(most < 64 << 20 && most > 63 << 20, "{most}");
        assert_eq!(longest(usize::MAX, 1000), 500);
    }
}
