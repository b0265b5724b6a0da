//! Settings of the server, and checks of their combinations.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use echoctl_proto::Framing;

use crate::connection::read_size::LARGE_READ;
use crate::error::{ConfigError, Setting};
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
    /// Interval between [`Event::Stats`](crate::Event). Default: never.
    pub stats_every: Option<Duration>,
}

/// I/O model: how the server waits for its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// One async task per connection, on one thread per core (epoll). A waiting connection costs about a kilobyte.
    #[default]
    Tasks,
    /// One thread per connection, with blocking calls. Backpressure comes for free, since a thread that is blocked in a write
    /// cannot read.
    Threads,
    /// One thread that polls all sockets but writes *blockingly*: head-of-line blocking. One peer that does not read stalls
    /// all others. Deliberately wrong, for demonstration.
    OneThread,
}

/// The least rate at which a peer must accept pending output.
///
/// While output is pending, each second adds `bytes_per_second` to the peer's debt, and each byte that its kernel
/// acknowledges reduces it. A peer whose debt reaches `period` times the rate is disconnected. So one that stops reading is
/// disconnected after `period`; one that reads at half the rate, after twice that; and one that reads at the rate or faster
/// stays, if it is acknowledged at least once per `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// From 1 to [`MinRate::HIGHEST`].
    pub bytes_per_second: u64,
    /// Over which the rate is averaged. More than 0, at most [`Config::LONGEST_TIMEOUT`].
    pub period: Duration,
}

impl MinRate {
    /// The highest [`bytes_per_second`](MinRate::bytes_per_second): 1 TiB, which no connection reaches.
    pub const HIGHEST: u64 = 1 << 40;

    /// The period that `echoctl serve` uses by default: 30 s. A peer that reads 24 KiB/s through a receive buffer of 6 MiB,
    /// the largest to which Linux usually grows one, is acknowledged at least once in that time.
    pub const PERIOD: Duration = Duration::from_secs(30);

    /// The rate times `milliseconds`, in thousandths of a byte. (Whole bytes would round the lowest rates to nothing.)
    pub(crate) const fn millibytes_in(self, milliseconds: u64) -> u64 {
        self.bytes_per_second.saturating_mul(milliseconds)
    }

    /// What a peer may be behind, in thousandths of a byte.
    pub(crate) const fn allowance(self) -> u64 {
        self.millibytes_in(self.period.as_millis() as u64)
    }
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
    /// Maximum number of threads of a [`runtime`](crate::runtime): more than the cores that one server could use.
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

    /// Checks that the settings are valid and can be combined.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting to change.
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
            (self.min_rate.is_some_and(|rate| rate.period.is_zero()), Setting::MinRatePeriod),
            (self.stats_every == Some(Duration::ZERO), Setting::StatsEvery),
        ];
        if let Some((_, setting)) = zeroes.iter().find(|(is_zero, _)| *is_zero) {
            return Err(ConfigError::Zero { setting: *setting });
        }
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<(), ConfigError> {
        let buffer = Config::LARGEST_KERNEL_BUFFER as u64;
        for (setting, value, most) in [
            (Setting::MaxConnections, Some(self.max_connections as u64), Config::MOST_CONNECTIONS as u64),
            (Setting::SendBuffer, self.send_buffer.map(|bytes| bytes as u64), buffer),
            (Setting::ReceiveBuffer, self.receive_buffer.map(|bytes| bytes as u64), buffer),
            (Setting::MinRate, self.min_rate.map(|rate| rate.bytes_per_second), MinRate::HIGHEST),
        ] {
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(ConfigError::OutOfRange { setting, value, most });
            }
        }
        let most = Config::LONGEST_TIMEOUT;
        for (setting, value) in [
            (Setting::IdleTimeout, self.idle_timeout),
            (Setting::WriteTimeout, self.write_timeout),
            (Setting::MinRatePeriod, self.min_rate.map(|rate| rate.period)),
        ] {
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
            min_rate: None,
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
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn invalid_settings_and_combinations_are_refused() {
        let config = Config::default;
        let limit = 1000;
        let with_min_rate = |bytes_per_second, period| Config {
            min_rate: Some(MinRate { bytes_per_second, period }),
            ..Config::default()
        };

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
            (with_min_rate(0, Duration::from_secs(1)), Setting::MinRate),
            (with_min_rate(MinRate::HIGHEST + 1, Duration::from_secs(1)), Setting::MinRate),
            (with_min_rate(1, Duration::ZERO), Setting::MinRatePeriod),
            (with_min_rate(1, Duration::MAX), Setting::MinRatePeriod),
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
