//! Decides from acknowledgements whether a peer accepts its pending output, and fast enough.
//!
//! Progress is what the peer's kernel acknowledges, not what our own writes accept: our kernel accepts more only when a third
//! of its send queue is free, which a slow peer may not bring about for minutes. Where acknowledgements are not visible
//! (anywhere but on Linux), accepted writes have to do.
//!
//! A slow reader is acknowledged in jumps. Once its receive window is closed, its kernel opens it again only when a full
//! segment and a sixteenth of its receive buffer are free. Between two jumps a slow reader and one that has stopped look the
//! same from here, so both limits must allow for one jump:
//!
//! - The **write timeout** expires when nothing is acknowledged for that long.
//! - The **minimum rate** is a debt in bytes: it grows at that rate while output is pending, and each acknowledged byte
//!   reduces it. It expires when the debt exceeds what the rate yields in its period. So a peer that reads at this rate or
//!   faster is never closed if one jump is smaller than that, and one that has stopped is closed after the period.
//!
//! It has no socket and no clock: the [`Reaper`](crate::table::reaper::Reaper) passes in what it has seen and the time.

use std::mem;
use std::time::Duration;

use crate::config::Config;
use crate::table::CloseCause;

/// The output of a connection at one moment, in bytes since it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    /// Bytes that our kernel has accepted.
    pub(crate) sent: u64,
    /// Bytes that the peer's kernel has acknowledged. `sent` where that is not visible.
    pub(crate) acknowledged: u64,
    /// Whether the server waits until our kernel accepts more.
    pub(crate) is_blocked: bool,
}

/// What was seen of one connection's output so far. Times are in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PeerProgress {
    /// Which of the server's connections it was: entries of the table are reused. 0 before the first look.
    connection: u64,
    looked_at: u32,
    acknowledged: u64,
    was_pending: bool,
    /// Bytes that had been sent at the look `marked_at`, to see when all of them are acknowledged.
    marked: u64,
    marked_at: u32,
    /// When it last made progress or had nothing pending.
    progress_at: u32,
    /// How far it is behind the minimum rate, in thousandths of a byte.
    debt: u64,
}

impl PeerProgress {
    /// Whether a look at the acknowledgements can be omitted, because nothing was pending at the last one and nothing has
    /// been sent since then.
    pub(crate) fn is_settled(&self, connection: u64, sent: u64) -> bool {
        self.connection == connection && !self.was_pending && self.acknowledged == sent
    }

    /// Takes one more look into account, at `now` in milliseconds. Returns why the connection is to be closed by the limits of
    /// output in `config`, if it is.
    pub(crate) fn update(
        &mut self,
        config: &Config,
        connection: u64,
        output: Output,
        now: u32,
    ) -> Option<CloseCause> {
        if self.connection != connection {
            *self = PeerProgress { connection, ..PeerProgress::default() };
        }
        if output.acknowledged >= self.marked {
            (self.marked, self.marked_at) = (output.sent, now);
        }
        let is_overdue =
            output.acknowledged < self.marked && now.wrapping_sub(self.marked_at) >= IN_FLIGHT_MILLIS;
        let is_pending = output.is_blocked || is_overdue;
        let was_pending = mem::replace(&mut self.was_pending, is_pending);
        let before = mem::replace(&mut self.acknowledged, output.acknowledged);
        let elapsed = now.wrapping_sub(mem::replace(&mut self.looked_at, now));
        if !(was_pending && is_pending) {
            (self.progress_at, self.debt) = (now, 0);
            return None;
        }
        let acknowledged = output.acknowledged.saturating_sub(before);
        if acknowledged > 0 {
            self.progress_at = now;
        }
        if let Some(min_rate) = config.min_rate {
            let due = min_rate.millibytes_in(elapsed.into());
            self.debt = self.debt.saturating_add(due).saturating_sub(acknowledged.saturating_mul(1000));
        }
        // The clock wraps around after 49 days; the difference is right across that.
        let stalled_for = Duration::from_millis(now.wrapping_sub(self.progress_at).into());
        if config.write_timeout.is_some_and(|timeout| stalled_for >= timeout) {
            Some(CloseCause::WriteTimeout)
        } else if config.min_rate.is_some_and(|min_rate| self.debt >= min_rate.allowance()) {
            Some(CloseCause::MinRate)
        } else {
            None
        }
    }
}

/// What our kernel has held for less than this may be on its way to the peer, or its acknowledgement on the way back. An
/// acknowledgement may be delayed by 200 ms, and few round trips take longer than the rest.
const IN_FLIGHT_MILLIS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MinRate;

    const SECOND: u32 = 1000;
    const MIN_RATE: MinRate = MinRate { bytes_per_second: 1000, period: Duration::from_secs(30) };

    fn write_timeout(seconds: u64) -> Config {
        Config { write_timeout: Some(Duration::from_secs(seconds)), ..Config::default() }
    }

    fn min_rate() -> Config {
        Config { min_rate: Some(MIN_RATE), ..Config::default() }
    }

    /// A look a second at a peer that the server waits for, with these bytes acknowledged at each. Returns the second in
    /// which it is closed, and why.
    fn closed(limits: &Config, acknowledged: impl IntoIterator<Item = u64>) -> Option<(u32, CloseCause)> {
        let mut progress = PeerProgress::default();
        let output = |acknowledged| Output { sent: 1 << 30, acknowledged, is_blocked: true };
        (0..).zip(acknowledged).find_map(|(second, acknowledged)| {
            progress.update(limits, 1, output(acknowledged), second * SECOND).map(|cause| (second, cause))
        })
    }

    /// Bytes acknowledged each second of a peer that reads `rate` bytes per second and opens its window by `jump` bytes.
    fn in_jumps(rate: u64, jump: u64) -> impl Iterator<Item = u64> {
        (0..10_000).map(move |second| second * rate / jump * jump)
    }

    #[test]
    fn a_stopped_peer_exceeds_the_write_timeout() {
        assert_eq!(closed(&write_timeout(10), [7; 100]), Some((10, CloseCause::WriteTimeout)));
    }

    #[test]
    fn a_slow_reader_survives_if_it_jumps_within_the_timeout() {
        // 10 KiB/s in jumps of 64 KiB: one every 6.4 s.
        assert_eq!(closed(&write_timeout(7), in_jumps(10 << 10, 64 << 10)), None);
        let too_short = closed(&write_timeout(3), in_jumps(10 << 10, 64 << 10));
        assert_eq!(too_short, Some((3, CloseCause::WriteTimeout)));
    }

    #[test]
    fn a_stopped_peer_is_below_the_minimum_rate_after_its_period() {
        assert_eq!(closed(&min_rate(), [7; 100]), Some((30, CloseCause::MinRate)));
    }

    #[test]
    fn a_reader_at_the_minimum_rate_survives_smaller_jumps() {
        for jump in [1, 1000, 29_000] {
            assert_eq!(closed(&min_rate(), in_jumps(1000, jump)), None, "jumps of {jump} bytes");
        }
    }

    #[test]
    fn a_reader_below_the_minimum_rate_is_closed() {
        for (rate, jump) in [(900, 1), (900, 20_000), (500, 1000), (10, 10)] {
            let closed = closed(&min_rate(), in_jumps(rate, jump));
            assert!(
                closed.is_some_and(|(_, cause)| cause == CloseCause::MinRate),
                "{rate} bytes/s: {closed:?}"
            );
        }
    }

    #[test]
    fn a_fast_start_is_no_credit_for_later() {
        let fast_then_stopped = (0..100).map(|second| second.min(10) * 1_000_000);

        assert_eq!(closed(&min_rate(), fast_then_stopped), Some((40, CloseCause::MinRate)));
    }

    #[test]
    fn output_in_flight_is_not_pending() {
        let limits = Config { min_rate: Some(MIN_RATE), ..write_timeout(2) };
        let mut progress = PeerProgress::default();

        // 10 bytes per second, each acknowledged by the next look: a quiet peer, far below the minimum rate.
        for second in 0..1000 {
            let sent = u64::from(second) * 10;
            let output = Output { sent, acknowledged: sent.saturating_sub(10), is_blocked: false };
            assert_eq!(progress.update(&limits, 1, output, second * SECOND), None, "second {second}");
        }
    }

    #[test]
    fn output_that_only_the_kernel_holds_is_pending() {
        let limits = write_timeout(10);
        let mut progress = PeerProgress::default();
        let output = Output { sent: 5000, acknowledged: 100, is_blocked: false };

        let closed = (0..100).find(|second| progress.update(&limits, 1, output, second * SECOND).is_some());

        // It may be in flight at the first look, but not at the second.
        assert_eq!(closed, Some(11));
    }

    #[test]
    fn the_time_before_a_peer_was_blocked_does_not_count() {
        let limits = write_timeout(10);
        let mut progress = PeerProgress::default();
        let at = |is_blocked| Output { sent: 100, acknowledged: 100, is_blocked };

        assert_eq!(progress.update(&limits, 1, at(false), 0), None);
        assert_eq!(progress.update(&limits, 1, at(true), 100 * SECOND), None);
        assert_eq!(progress.update(&limits, 1, at(true), 109 * SECOND), None);
        assert_eq!(progress.update(&limits, 1, at(true), 110 * SECOND), Some(CloseCause::WriteTimeout));
    }

    #[test]
    fn another_connection_in_the_same_entry_starts_from_scratch() {
        let limits = write_timeout(10);
        let mut progress = PeerProgress::default();
        let output = Output { sent: 100, acknowledged: 0, is_blocked: true };

        assert_eq!(progress.update(&limits, 1, output, 0), None);
        assert_eq!(progress.update(&limits, 2, output, 100 * SECOND), None);
        assert_eq!(progress.update(&limits, 2, output, 110 * SECOND), Some(CloseCause::WriteTimeout));
    }

    #[test]
    fn times_are_right_when_the_clock_wraps_around() {
        let limits = write_timeout(10);
        let mut progress = PeerProgress::default();
        let output = Output { sent: 100, acknowledged: 0, is_blocked: true };
        let start = u32::MAX - 5 * SECOND;

        assert_eq!(progress.update(&limits, 1, output, start), None);
        assert_eq!(progress.update(&limits, 1, output, start.wrapping_add(9 * SECOND)), None);
        let closed = progress.update(&limits, 1, output, start.wrapping_add(10 * SECOND));
        assert_eq!(closed, Some(CloseCause::WriteTimeout));
    }
}
