//! Checks of settings and of their combinations.

use std::fmt;
use std::time::Duration;

use echoctl_proto::Framing;
use thiserror::Error;

use super::{Config, Io, MinRate};
use crate::error::Limit;
use crate::policy::Policy;

impl Config {
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
        Limit(*.resume_at as u64),
        Limit(*.limit as u64)
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
}
