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
        self.check_combinations()?;
        let number = |number: usize| Some(number as u64);
        let buffer = Config::LARGEST_KERNEL_BUFFER as u64;
        for (setting, value, most) in [
            (Setting::MaxFrame, number(self.max_frame), UNLIMITED),
            (Setting::QueueLimit, self.policy.limit().and_then(number), UNLIMITED),
            (Setting::MemoryLimit, Some(self.memory_limit), UNLIMITED),
            (Setting::Workers, self.workers.and_then(number), Config::MOST_WORKERS as u64),
            (Setting::MaxConnections, number(self.max_connections), Config::MOST_CONNECTIONS as u64),
            (Setting::SendBuffer, self.send_buffer.and_then(number), buffer),
            (Setting::ReceiveBuffer, self.receive_buffer.and_then(number), buffer),
            (Setting::MinRate, self.min_rate.map(|rate| rate.bytes_per_second), MinRate::HIGHEST),
        ] {
            setting.check_number(value, most)?;
        }
        for (setting, value, most) in [
            (Setting::IdleTimeout, self.idle_timeout, Config::LONGEST_TIMEOUT),
            (Setting::WriteTimeout, self.write_timeout, Config::LONGEST_TIMEOUT),
            (Setting::MinRatePeriod, self.min_rate.map(|rate| rate.period), Config::LONGEST_TIMEOUT),
            (Setting::StatsEvery, self.stats_every, Duration::MAX),
        ] {
            setting.check_time(value, most)?;
        }
        Ok(())
    }

    fn check_combinations(&self) -> Result<(), ConfigError> {
        let Config { io, policy, framing, .. } = *self;
        if io != Io::Tasks && policy != Policy::Await {
            return Err(Setting::Io.error(format!(
                "{io} I/O supports only the policy await, not {policy}: it reads nothing while a reply waits"
            )));
        }
        if io == Io::OneThread && !cfg!(unix) {
            return Err(Setting::Io.error("one-thread I/O needs poll(2), which this system does not have"));
        }
        if io == Io::Uring && !cfg!(target_os = "linux") {
            return Err(Setting::Io.error("uring I/O needs io_uring, which only Linux has"));
        }
        match policy {
            Policy::Drop { .. } if framing == Framing::Raw => Err(Setting::Framing.error(
                "the policy drop drops complete frames, and raw framing has none: expected lines, u16 or u32",
            )),
            Policy::Watermark { limit, resume_at } if resume_at > limit => {
                Err(Setting::ResumeAt.error(format!(
                    "the low watermark ({}) exceeds the queue limit ({}): reading would resume before it stops",
                    Limit(resume_at as u64),
                    Limit(limit as u64)
                )))
            }
            _ => Ok(()),
        }
    }
}

/// An invalid setting, or one that cannot be combined with another.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ConfigError {
    /// The setting to change, for a caller that knows by which name the user set it.
    pub setting: Setting,
    reason: String,
}

/// A setting that can be invalid: a field of [`Config`](crate::Config), or a value of its policy.
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
    /// [`workers`](crate::Config::workers), or the threads of a [`runtime`](crate::runtime).
    Workers,
}

impl Setting {
    /// Checks that its `value`, if it is set, is from 1 to `most`.
    pub(crate) fn check_number(self, value: Option<u64>, most: u64) -> Result<(), ConfigError> {
        match value {
            Some(0) if most == UNLIMITED => Err(self.error(format!("the {self} must be more than 0"))),
            Some(value) if !(1..=most).contains(&value) => {
                Err(self.error(format!("the {self} must be at least 1 and at most {most}, not {value}")))
            }
            _ => Ok(()),
        }
    }

    /// Checks that its `value`, if it is set, is more than 0 and at most `most`.
    fn check_time(self, value: Option<Duration>, most: Duration) -> Result<(), ConfigError> {
        match value {
            Some(Duration::ZERO) => Err(self.error(format!("the {self} must be more than 0"))),
            Some(value) if value > most => {
                let days = most.as_secs() / 86_400;
                Err(self.error(format!("the {self} must be at most {days} days, not {value:?}")))
            }
            _ => Ok(()),
        }
    }

    fn error(self, reason: impl Into<String>) -> ConfigError {
        ConfigError { setting: self, reason: reason.into() }
    }
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

/// The maximum of a number that has none of its own.
const UNLIMITED: u64 = u64::MAX;

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
            (Config { io: Io::Uring, policy: Policy::Bounded { limit }, ..config() }, Setting::Io),
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
            assert_eq!(error.setting, setting, "{error}");
        }
    }
}
