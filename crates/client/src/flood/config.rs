//! Configuration of a flood: plain values, with their defaults and bounds in one place.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use echoctl_proto::Framing;

use crate::Error;
use crate::payload::DIGITS;

/// What to send, how fast, what to read, and when to stop. Sizes in bytes, rates in bytes per second.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the server.
    pub addr: SocketAddr,
    /// Number of connections, at least 1. The rates and byte counts below are totals over all of them.
    pub connections: usize,
    /// Framing; must match the server's.
    pub framing: Framing,
    /// Frame size on the wire, framing overhead included. Uniformly distributed over the range, as a function of the seed
    /// and the frame's number.
    pub sizes: RangeInclusive<usize>,
    /// Seed for frame sizes and contents: the same seed sends the same bytes.
    pub seed: u64,
    /// Bytes per write, 1 to [`Config::MAX_WRITE_SIZE`]; need not align with frames.
    pub write_size: usize,
    /// Rate of writing.
    pub rate: Rate,
    /// When the rate limit ends: from this time on, the rate is [`Rate::Max`]. `None`: never.
    pub rate_until: Option<Duration>,
    /// What to read.
    pub reading: Reading,
    /// How long to send. `None`: until all bytes are sent or the flood is stopped.
    pub duration: Option<Duration>,
    /// Total bytes to send, rounded up to a complete frame. `None`: until the time is over or the flood is stopped.
    pub bytes: Option<u64>,
    /// Whether to read all pending replies after sending, regardless of `reading`.
    pub drain_at_end: bool,
    /// Stall timeout of the drain: it is aborted if fewer than [`Config::MIN_PROGRESS`] bytes move in this time.
    pub stall_timeout: Duration,
    /// Maximum duration of the drain. Twice the time spent sending is added to it.
    pub max_drain: Duration,
    /// Stops sending, as if `duration` had passed, once every connection's write is blocked and fewer than
    /// [`Config::MIN_PROGRESS`] bytes have moved in this time. `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Maximum duration of a handshake. More than 0.
    pub connect_timeout: Duration,
    /// SO_SNDBUF of each connection. `None`: tuned by the kernel.
    pub sndbuf: Option<usize>,
    /// SO_RCVBUF of each connection. `None`: tuned by the kernel.
    pub rcvbuf: Option<usize>,
}

impl Config {
    /// Default frame size.
    pub const SIZE: usize = 1024;
    /// Default write size: a common read size of servers.
    pub const WRITE_SIZE: usize = 64 * 1024;
    /// Default write size at [`Rate::Max`], where the cost of each call counts. Into a sink it is about 1.3 times as fast as
    /// 64 KiB; 1 MiB, which exceeds the processor's nearest cache, is slower again.
    pub const FULL_SPEED_WRITE_SIZE: usize = 256 * 1024;
    /// Maximum write size. Most of a larger write would only wait for room in the send queue (4 MiB by default).
    pub const MAX_WRITE_SIZE: usize = 16 << 20;
    /// Default rate with a stopped or slow reader: slow enough to watch a queue fill.
    pub const WATCHABLE_RATE: u64 = 64 << 20;
    /// Default stall timeout: several times the longest pause seen on a busy machine, and short enough to wait for.
    pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);
    /// Bytes that must move within the stall timeout, over all connections: a working server moves more. With a timeout of
    /// 5 s it is 13 KB/s.
    pub const MIN_PROGRESS: u64 = 64 * 1024;
    /// Default maximum of the drain. The pending bytes were sent in the time that is added to it.
    pub const MAX_DRAIN: Duration = Duration::from_secs(30);
    /// Default connect timeout: enough for three lost SYNs. The kernel itself would try for two minutes.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// One connection to `addr` that sends lines of 1 KiB at full speed, reads and checks everything, and runs until it is
    /// stopped.
    pub fn new(addr: SocketAddr) -> Config {
        Config {
            addr,
            connections: 1,
            framing: Framing::Lines,
            sizes: Self::SIZE..=Self::SIZE,
            seed: 1,
            write_size: Self::WRITE_SIZE,
            rate: Rate::Max,
            rate_until: None,
            reading: Reading::All,
            duration: None,
            bytes: None,
            drain_at_end: false,
            stall_timeout: Self::STALL_TIMEOUT,
            max_drain: Self::MAX_DRAIN,
            idle_timeout: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            sndbuf: None,
            rcvbuf: None,
        }
    }

    /// Checks that all values are within their bounds.
    ///
    /// # Errors
    /// The first value that is out of bounds, with the bounds.
    pub fn check(&self) -> Result<(), Error> {
        let (start, end) = (*self.sizes.start(), *self.sizes.end());
        let (min, max) = Self::frame_sizes(self.framing);
        if let Some(size) = [start, end].into_iter().find(|size| !(min..=max).contains(size)) {
            return Err(Error::frame_size(self.framing, size, (min, max)));
        }
        if start > end {
            let range = format!("range of frame sizes {start}..{end}: the first must not exceed the last");
            return Err(Error::Invalid(range));
        }
        let (size, max) = (self.write_size, Self::MAX_WRITE_SIZE);
        if !(1..=max).contains(&size) {
            return Err(Error::Invalid(format!("write size {size}: expected 1 to {max} bytes")));
        }
        Error::check_connections(self.connections)
    }

    /// Minimum and maximum frame size on the wire, in bytes, with this framing.
    pub fn frame_sizes(framing: Framing) -> (usize, usize) {
        let max = framing.longest_payload().saturating_add(framing.overhead());
        (framing.overhead() + DIGITS, max.min(MAX_FRAME))
    }

    /// Whether all pending replies are read at the end.
    pub(crate) fn drains(&self) -> bool {
        self.drain_at_end || matches!(self.reading, Reading::All | Reading::Pause { .. })
    }
}

/// Rate of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the server accepts the data.
    Max,
    /// At most this many bytes per second, over all connections; at least 1.
    Limited(u64),
}

impl Rate {
    /// Bytes per second; `None`: no limit.
    pub(crate) const fn limit(self) -> Option<u64> {
        match self {
            Rate::Max => None,
            Rate::Limited(rate) => Some(rate),
        }
    }

    /// The default rate: unlimited if everything is read, otherwise [`Config::WATCHABLE_RATE`].
    pub const fn default_for(reading: &Reading) -> Rate {
        match reading {
            Reading::All => Rate::Max,
            _ => Rate::Limited(Config::WATCHABLE_RATE),
        }
    }
}

/// What the consumer does. Times count from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It reads everything immediately.
    All,
    /// It never reads, which crashes servers without backpressure.
    Nothing,
    /// It reads at most this many bytes per second, over all connections; at least 1.
    AtRate(u64),
    /// It reads until this time, and then stops.
    For(Duration),
    /// It reads, stops at `from`, and resumes at `until`.
    Pause {
        /// When it stops.
        from: Duration,
        /// When it resumes.
        until: Duration,
    },
}

/// Maximum frame size in bytes: far more than any server accepts, and far from any overflow.
const MAX_FRAME: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(SocketAddr::from(([127, 0, 0, 1], 7007)))
    }

    #[test]
    fn the_default_is_valid() {
        assert!(config().check().is_ok());
    }

    #[test]
    fn a_frame_must_fit_its_number_and_its_length_field() {
        let refused = |framing, sizes| {
            Config { framing, sizes, ..config() }.check().expect_err("out of bounds").to_string()
        };

        assert!(refused(Framing::Lines, 8..=8).contains("9 to"), "8 digits and a newline");
        assert!(refused(Framing::U16, 1024..=70 * 1024).contains("10 to 65537"));
        assert!(Config { framing: Framing::U16, sizes: 10..=65537, ..config() }.check().is_ok());
    }

    #[test]
    fn an_empty_range_and_an_empty_run_are_refused() {
        for (bad, setting) in [
            (
                Config { sizes: RangeInclusive::new(90, 30), ..config() },
                "invalid range of frame sizes 90..30:",
            ),
            (Config { connections: 0, ..config() }, "invalid number of connections 0:"),
            (Config { write_size: 0, ..config() }, "invalid write size 0:"),
        ] {
            let error = bad.check().expect_err(setting).to_string();
            assert!(error.starts_with(setting), "{error}");
        }
    }
}
