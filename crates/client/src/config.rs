//! What a flood is to do: plain values, with their defaults and bounds in one place.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use echoctl_proto::Framing;

use crate::Error;
use crate::number;

/// What to send, how fast, what to read, and when to stop. Sizes in bytes, rates in bytes a second.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub addr: SocketAddr,
    /// How many connections; at least 1. What is said of rates and bytes below is for all of them together.
    pub connections: usize,
    /// How frames are marked.
    pub framing: Framing,
    /// Bytes of each frame on the wire, marks included; drawn evenly from the range by the seed and the frame's number.
    pub sizes: RangeInclusive<usize>,
    /// What sizes and contents are made from: the same seed sends the same bytes.
    pub seed: u64,
    /// Bytes of one write, whole or part of frames; 1 to [`Config::MAX_WRITE_SIZE`].
    pub write_size: usize,
    /// How fast to write.
    pub rate: Rate,
    /// When the rate is lifted: from this time on, [`Rate::Max`]. `None`: never.
    pub rate_until: Option<Duration>,
    /// What to read.
    pub reading: Reading,
    /// How long to send. `None`: until the bytes are sent or the flood is stopped.
    pub duration: Option<Duration>,
    /// How much to send; the last frame is finished. `None`: until the time is over or the flood is stopped.
    pub bytes: Option<u64>,
    /// At the end of sending, read all that is owed, whatever `reading` says.
    pub drain_at_end: bool,
    /// What is read at the end is given up when less than [`Config::MIN_PROGRESS`] moves in this time.
    pub stall_timeout: Duration,
    /// The longest that reading at the end may take, beside twice the time of the sending.
    pub max_drain: Duration,
    /// Ends the sending, as if its time were over, when all connections wait to write and less than [`Config::MIN_PROGRESS`] has
    /// moved in this time. `None`: never.
    pub idle_timeout: Option<Duration>,
    /// The longest that a handshake may take. More than 0.
    pub connect_timeout: Duration,
    /// SO_SNDBUF of each connection. `None`: the kernel's choice, which grows.
    pub sndbuf: Option<usize>,
    /// SO_RCVBUF of each connection. `None`: the kernel's choice, which grows.
    pub rcvbuf: Option<usize>,
}

impl Config {
    /// The default size of a frame.
    pub const SIZE: usize = 1024;
    /// The default size of a write: what one read of a server commonly takes.
    pub const WRITE_SIZE: usize = 64 * 1024;
    /// The same at [`Rate::Max`], where each call counts: into a sink about 1.3 times as fast as 64 KiB at a time, where 1 MiB,
    /// more than the processor's nearest cache holds, is slower again.
    pub const FULL_SPEED_WRITE_SIZE: usize = 256 * 1024;
    /// The largest write. A larger one would only wait in the kernel's send queue (4 MiB by default).
    pub const MAX_WRITE_SIZE: usize = 16 << 20;
    /// The rate when the reader is stopped or slow: slow enough to watch a queue fill.
    pub const WATCHABLE_RATE: u64 = 64 << 20;
    /// The default stall timeout: several times the longest pause seen on a busy machine, and short enough to sit out.
    pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);
    /// Bytes that have to move within the stall timeout, of all connections together: fewer are no server at work. With a timeout
    /// of 5 s it is 13 KB/s.
    pub const MIN_PROGRESS: u64 = 64 * 1024;
    /// The default time for what is read at the end: what is pending then was sent in the time that is added to it.
    pub const MAX_DRAIN: Duration = Duration::from_secs(30);
    /// The default time for a handshake: three SYNs are lost before that. The kernel itself would try for two minutes.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// One connection to `addr` that sends lines of 1 KiB as fast as it can, reads and checks everything, and goes on
    /// until it is stopped.
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

    /// Whether it can be carried out.
    ///
    /// # Errors
    /// The first value that is out of bounds, with the bounds.
    pub fn check(&self) -> Result<(), Error> {
        let (start, end) = (*self.sizes.start(), *self.sizes.end());
        let framing = self.framing;
        let (min, max) = Self::frame_sizes(framing);
        if let Some(size) = [start, end].into_iter().find(|size| !(min..=max).contains(size)) {
            return Err(Error::FrameSize { framing, size, min, max });
        }
        if start > end {
            return Err(Error::SizeRange { start, end });
        }
        if !(1..=Self::MAX_WRITE_SIZE).contains(&self.write_size) {
            return Err(Error::WriteSize { size: self.write_size, max: Self::MAX_WRITE_SIZE });
        }
        if self.connections == 0 {
            return Err(Error::NoConnections);
        }
        Ok(())
    }

    /// The smallest and the largest frame on the wire, in bytes, that `framing` allows.
    pub fn frame_sizes(framing: Framing) -> (usize, usize) {
        let max = framing.longest_payload().saturating_add(framing.overhead());
        (framing.overhead() + number::DIGITS, max.min(MAX_FRAME))
    }

    /// Whether all that was sent is to be read at the end.
    pub(crate) fn drains(&self) -> bool {
        self.drain_at_end || matches!(self.reading, Reading::All | Reading::Pause { .. })
    }
}

/// How fast to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the server takes it.
    Max,
    /// So many bytes a second, over all connections; at least 1.
    Limited(u64),
}

impl Rate {
    /// The rate when none is asked for: as fast as possible where everything is read, else one that can be watched.
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
    /// It reads everything at once.
    All,
    /// It never reads: the client that takes a server without backpressure down.
    Nothing,
    /// It reads so many bytes a second, over all connections; at least 1.
    AtRate(u64),
    /// It reads for so long, and then no more.
    For(Duration),
    /// It reads, stops at `from`, and reads again at `until`.
    Pause {
        /// When it stops.
        from: Duration,
        /// When it goes on.
        until: Duration,
    },
}

/// The largest frame, in bytes: far beyond what any server takes, and far from any overflow.
const MAX_FRAME: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(SocketAddr::from(([127, 0, 0, 1], 7007)))
    }

    #[test]
    fn the_default_can_be_carried_out() {
        assert!(config().check().is_ok());
    }

    #[test]
    fn a_frame_must_hold_its_number_and_fit_its_length_field() {
        let refused = |framing, sizes| {
            Config { framing, sizes, ..config() }.check().expect_err("out of bounds").to_string()
        };

        assert!(refused(Framing::Lines, 8..=8).contains("9 to"), "8 digits and a newline");
        assert!(refused(Framing::U16, 1024..=70 * 1024).contains("10 to 65537"));
        assert!(Config { framing: Framing::U16, sizes: 10..=65537, ..config() }.check().is_ok());
    }

    #[test]
    fn an_empty_range_and_an_empty_run_are_refused() {
        assert!(matches!(
            Config { sizes: RangeInclusive::new(90, 30), ..config() }.check(),
            Err(Error::SizeRange { .. })
        ));
        assert!(matches!(Config { connections: 0, ..config() }.check(), Err(Error::NoConnections)));
        assert!(matches!(Config { write_size: 0, ..config() }.check(), Err(Error::WriteSize { .. })));
    }
}
