//! The least rate at which a peer must accept pending output.

use std::time::Duration;

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
    /// Over which the rate is averaged. More than 0, at most [`Config::LONGEST_TIMEOUT`](crate::Config::LONGEST_TIMEOUT).
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
