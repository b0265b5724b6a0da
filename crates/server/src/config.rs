//! Everything the server can be told, and the combinations that mean nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use echoctl_proto::Framing;

use crate::error::{ConfigError, Setting};
use crate::policy::Policy;
use crate::read_size::LARGE_READ;

/// How the server is to work. `Config::default()` is what `echoctl serve` does without options.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 lets the kernel choose. Default 127.0.0.1:7007.
    pub addr: SocketAddr,
    /// How frames are cut. Default lines.
    pub framing: Framing,
    /// The longest payload accepted, in bytes; a longer frame ends its connection. Default 1 MiB. No meaning with raw.
    pub max_frame: usize,
    /// What to do with a peer that does not read. Default await.
    pub policy: Policy,
    /// Who waits for the sockets. Default tasks.
    pub io: Io,
    /// The most bytes queued and in frame buffers, over all connections; at the limit the connection that holds most is
    /// reset. Default 1 GiB; a caller that can see how much memory is left to the process sets a share of it.
    pub memory_limit: u64,
    /// The most connections open at a time; further ones wait in the kernel's backlog. Default 10,000, at most
    /// [`MOST_CONNECTIONS`](Config::MOST_CONNECTIONS).
    pub max_connections: usize,
    /// Disconnect a peer that owes us nothing to take and has sent nothing for so long. Default: never.
    pub idle_timeout: Option<Duration>,
    /// Disconnect a peer that takes no byte for so long while bytes wait for it. Default: never.
    pub write_timeout: Option<Duration>,
    /// Asks the kernel for this send buffer, in bytes. Default: the kernel's own, which grows as needed.
    pub send_buffer: Option<usize>,
    /// Asks the kernel for this receive buffer, in bytes. Default: the kernel's own, which grows as needed.
    pub receive_buffer: Option<usize>,
    /// How long the end may wait for peers to take what they are owed. Default 5 s.
    pub drain: Duration,
    /// How often to say [`Event::Stats`](crate::Event). Default: never.
    pub stats_every: Option<Duration>,
}

/// Who waits for the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// A task a connection, on a thread a core (epoll): waiting costs about a kilobyte.
    #[default]
    Tasks,
    /// A thread a connection, with blocking calls. Backpressure comes for free, since a blocked write cannot read.
    Threads,
    /// One thread that polls all sockets and then writes *blockingly*: the head-of-line mistake. One peer that does not
    /// read stops everybody. For demonstration.
    OneThread,
}

impl Config {
    /// The default of [`addr`](Config::addr).
    pub const ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7007);
    /// The default of [`max_frame`](Config::max_frame): 1 MiB.
    pub const MAX_FRAME: usize = 1 << 20;
    /// The default limit of a reply queue: 1 MiB.
    pub const QUEUE_LIMIT: usize = 1 << 20;
    /// The default of [`memory_limit`](Config::memory_limit): 1 GiB.
    pub const MEMORY_LIMIT: u64 = 1 << 30;
    /// The default of [`max_connections`](Config::max_connections).
    pub const MAX_CONNECTIONS: usize = 10_000;
    /// The most that [`max_connections`](Config::max_connections) may be: as many descriptors as a process may have, unless
    /// an administrator has raised the kernel's ceiling (`fs.nr_open`).
    pub const MOST_CONNECTIONS: usize = 1 << 20;
    /// The most threads of a [`runtime`](crate::runtime): more than any machine has cores that one server could use.
    pub const MOST_WORKERS: usize = 1024;
    /// The most bytes that may be asked for as [`send_buffer`](Config::send_buffer) and
    /// [`receive_buffer`](Config::receive_buffer): 1 GiB. The kernel keeps twice the number in a signed 32-bit integer.
    pub const LARGEST_KERNEL_BUFFER: usize = 1 << 30;
    /// The longest [`idle_timeout`](Config::idle_timeout) and [`write_timeout`](Config::write_timeout): 24 days. They are
    /// measured by a clock of 32 bits, in milliseconds, which tells before from after for 24.8 days.
    pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 86_400);
    /// The default of [`drain`](Config::drain).
    pub const DRAIN: Duration = Duration::from_secs(5);

    /// The longest payload in bytes that is accepted: [`max_frame`](Config::max_frame), or as much as the memory limit allows
    /// a buffer that also has room for a read.
    pub fn longest_payload(&self) -> usize {
        let room = (LARGE_READ + self.framing.overhead()) as u64;
        let most = self.memory_limit.saturating_sub(room).max(self.memory_limit / 2);
        self.max_frame.min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Bytes of the longest frame that is accepted, marks included.
    pub(crate) fn longest_frame(&self) -> usize {
        match self.framing {
            Framing::Raw => 0,
            framing => self.longest_payload().saturating_add(framing.overhead()),
        }
    }

    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// [`ConfigError`], naming the two settings that do not go together.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.io != Io::Tasks && self.policy != Policy::Await {
            return Err(ConfigError::BlockingWithQueue { io: self.io, policy: self.policy });
        }
        if self.io == Io::OneThread && !cfg!(unix) {
            return Err(ConfigError::NoPoll);
        }
        if self.framing == Framing::Raw && matches!(self.policy, Policy::Drop { .. }) {
            return Err(ConfigError::RawWithDrop);
        }
        if let Policy::Watermark { limit, resume_at } = self.policy
            && resume_at > limit
        {
            return Err(ConfigError::ResumeOverLimit { limit, resume_at });
        }
        let zeroes = [
            (self.max_frame == 0, Setting::MaxFrame),
            (self.policy.limit() == Some(0), Setting::QueueLimit),
            (self.memory_limit == 0, Setting::MemoryLimit),
            (self.max_connections == 0, Setting::MaxConnections),
            (self.idle_timeout == Some(Duration::ZERO), Setting::IdleTimeout),
            (self.write_timeout == Some(Duration::ZERO), Setting::WriteTimeout),
            (self.stats_every == Some(Duration::ZERO), Setting::StatsEvery),
        ];
        if let Some((_, setting)) = zeroes.iter().find(|(is_zero, _)| *is_zero) {
            return Err(ConfigError::Zero { setting: *setting });
        }
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<(), ConfigError> {
        let buffer = Config::LARGEST_KERNEL_BUFFER;
        for (setting, value, most) in [
            (Setting::MaxConnections, Some(self.max_connections), Config::MOST_CONNECTIONS),
            (Setting::SendBuffer, self.send_buffer, buffer),
            (Setting::ReceiveBuffer, self.receive_buffer, buffer),
        ] {
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(ConfigError::OutOfRange { setting, value: value as u64, most: most as u64 });
            }
        }
        let most = Config::LONGEST_TIMEOUT;
        for (setting, value) in
            [(Setting::IdleTimeout, self.idle_timeout), (Setting::WriteTimeout, self.write_timeout)]
        {
            if let Some(value) = value.filter(|&value| value > most) {
                return Err(ConfigError::TooLong { setting, value, most });
            }
        }
        Ok(())
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
            memory_limit: Config::MEMORY_LIMIT,
            max_connections: Config::MAX_CONNECTIONS,
            idle_timeout: None,
            write_timeout: None,
            send_buffer: None,
            receive_buffer: None,
            drain: Config::DRAIN,
            stats_every: None,
        }
    }
}

impl Io {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Io::Tasks => "tasks",
            Io::Threads => "threads",
            Io::OneThread => "one-thread",
        }
    }
}

impl std::fmt::Display for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_without_options_can_be_meant() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn combinations_that_mean_nothing_are_refused() {
        let config = Config::default;
        let limit = 1000;

        for (bad, setting) in [
            (Config { io: Io::Threads, policy: Policy::Off, ..config() }, Setting::Io),
            (Config { io: Io::OneThread, policy: Policy::Bounded { limit }, ..config() }, Setting::Io),
            (Config { framing: Framing::Raw, policy: Policy::Drop { limit }, ..config() }, Setting::Framing),
            (Config { policy: Policy::Watermark { limit, resume_at: 1001 }, ..config() }, Setting::ResumeAt),
            (Config { policy: Policy::Bounded { limit: 0 }, ..config() }, Setting::QueueLimit),
            (Config { max_frame: 0, ..config() }, Setting::MaxFrame),
            (Config { max_connections: Config::MOST_CONNECTIONS + 1, ..config() }, Setting::MaxConnections),
            (Config { send_buffer: Some(i32::MAX as usize), ..config() }, Setting::SendBuffer),
            (Config { receive_buffer: Some(usize::MAX), ..config() }, Setting::ReceiveBuffer),
            (Config { receive_buffer: Some(0), ..config() }, Setting::ReceiveBuffer),
            (Config { idle_timeout: Some(Duration::MAX), ..config() }, Setting::IdleTimeout),
            (
                Config { write_timeout: Some(Duration::from_secs(25 * 86_400)), ..config() },
                Setting::WriteTimeout,
            ),
        ] {
            let error = bad.check().expect_err(&setting.to_string());
            assert_eq!(error.setting(), setting, "{error}");
        }
    }

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
