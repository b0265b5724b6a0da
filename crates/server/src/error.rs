//! What can keep a server from starting. A peer's fault is none of these: see [`CloseReason`](crate::CloseReason).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::config::Io;
use crate::policy::Policy;

/// Why a server could not start.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings are invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another socket listens at the address.
    #[error("cannot listen on {addr}: the address is already in use")]
    AddressInUse {
        /// The address to listen on.
        addr: SocketAddr,
    },
    /// The kernel refused the listening socket.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address to listen on.
        addr: SocketAddr,
        /// The kernel's error.
        source: io::Error,
    },
    /// The runtime or a thread of the server's own could not be started.
    #[error("cannot start the {what}")]
    Start {
        /// What could not be started.
        what: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}

/// Invalid settings, or settings that cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Blocking I/O has no queue, so no policy but `await`.
    #[error("{io} I/O supports only the policy await, not {policy}: while a write blocks, nothing is read")]
    BlockingWithQueue {
        /// The blocking I/O model.
        io: Io,
        /// The policy set beside it.
        policy: Policy,
    },
    /// One thread for all connections needs `poll(2)`.
    #[error("one-thread I/O needs poll(2), which this system does not have")]
    NoPoll,
    /// Dropping needs frames.
    #[error("the policy drop drops complete frames, and raw framing has none: expected lines, u16 or u32")]
    RawWithDrop,
    /// A low watermark above the limit.
    #[error(
        "the low watermark ({}) exceeds the queue limit ({}): reading would resume before it stops",
        Limit(*.resume_at),
        Limit(*.limit)
    )]
    ResumeOverLimit {
        /// Where reading stops, in bytes.
        limit: usize,
        /// Where it would resume, in bytes.
        resume_at: usize,
    },
    /// A number or size of 0, or beyond what the server supports.
    #[error("the {setting} must be at least 1 and at most {most}, not {value}")]
    OutOfRange {
        /// The setting.
        setting: Setting,
        /// Its value.
        value: u64,
        /// The largest allowed.
        most: u64,
    },
    /// A time longer than the clock that measures it can express.
    #[error("the {setting} must be at most {} days, not {value:?}", .most.as_secs() / 86_400)]
    TooLong {
        /// The setting.
        setting: Setting,
        /// Its value.
        value: Duration,
        /// The longest allowed.
        most: Duration,
    },
    /// A limit or time of zero.
    #[error("the {setting} must be more than 0")]
    Zero {
        /// The setting.
        setting: Setting,
    },
}

impl ConfigError {
    /// The setting to change, for a caller that knows by which name the user set it.
    pub fn setting(&self) -> Setting {
        match *self {
            ConfigError::BlockingWithQueue { .. } | ConfigError::NoPoll => Setting::Io,
            ConfigError::RawWithDrop => Setting::Framing,
            ConfigError::ResumeOverLimit { .. } => Setting::ResumeAt,
            ConfigError::OutOfRange { setting, .. }
            | ConfigError::TooLong { setting, .. }
            | ConfigError::Zero { setting } => setting,
        }
    }
}

/// A setting that can be invalid: a field of [`Config`](crate::Config), a value of its policy, or the number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// [`framing`](crate::Config::framing).
    Framing,
    /// [`max_frame`](crate::Config::max_frame).
    MaxFrame,
    /// [`io`](crate::Config::io).
    Io,
    /// The limit of a [`Policy`].
    QueueLimit,
    /// The low watermark of a [`Policy`].
    ResumeAt,
    /// [`memory_limit`](crate::Config::memory_limit).
    MemoryLimit,
    /// [`max_connections`](crate::Config::max_connections).
    MaxConnections,
    /// [`idle_timeout`](crate::Config::idle_timeout).
    IdleTimeout,
    /// [`write_timeout`](crate::Config::write_timeout).
    WriteTimeout,
    /// The rate of [`min_rate`](crate::Config::min_rate).
    MinRate,
    /// The period of [`min_rate`](crate::Config::min_rate).
    MinRatePeriod,
    /// [`send_buffer`](crate::Config::send_buffer).
    SendBuffer,
    /// [`receive_buffer`](crate::Config::receive_buffer).
    ReceiveBuffer,
    /// [`stats_every`](crate::Config::stats_every).
    StatsEvery,
    /// The threads of a [`runtime`](crate::runtime).
    Workers,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setting::Framing => "framing",
            Setting::MaxFrame => "maximum frame size",
            Setting::Io => "I/O model",
            Setting::QueueLimit => "queue limit",
            Setting::ResumeAt => "low watermark",
            Setting::MemoryLimit => "memory limit",
            Setting::MaxConnections => "maximum number of connections",
            Setting::IdleTimeout => "idle timeout",
            Setting::WriteTimeout => "write timeout",
            Setting::MinRate => "minimum rate",
            Setting::MinRatePeriod => "period of the minimum rate",
            Setting::SendBuffer => "send buffer",
            Setting::ReceiveBuffer => "receive buffer",
            Setting::StatsEvery => "interval of statistics",
            Setting::Workers => "number of workers",
        })
    }
}

/// A limit set by a user, in bytes: printed in the largest unit that divides it (`4 MiB`), so never rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) usize);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(bits, _)| self.0 > 0 && self.0.is_multiple_of(1 << bits)) {
            Some((bits, unit)) => write!(f, "{} {unit}", self.0 >> bits),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_print_in_the_unit_that_divides_them() {
        let printed = [0, 1000, 4096, 3 << 19, 4 << 20, 1 << 30].map(|limit| Limit(limit).to_string());

        assert_eq!(printed, ["0 bytes", "1000 bytes", "4 KiB", "1536 KiB", "4 MiB", "1 GiB"]);
    }
}
