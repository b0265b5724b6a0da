//! Closes connections that exceed a timeout or stay below the minimum rate, so that none of them needs a timer of its own.
//!
//! Each connection records on a coarse clock when it last received bytes or had its pending output written; what its peer has
//! acknowledged is known to the kernel. At intervals of a quarter of the shortest limit, but at most a second, the reaper walks
//! the table and compares both with the limits. So a connection is closed within one interval of the time at which a limit
//! expires.
//!
//! Acknowledgements cost a system call, so they are read only where a limit depends on them and something is pending.

use std::time::Duration;

use super::peer_progress::PeerProgress;
use super::{CloseCause, ConnectionTable, EntryRef, OpenConnection};
use crate::config::Config;
use crate::settings::Settings;

/// Checks all connections against the limits of the settings.
#[derive(Debug)]
pub(crate) struct Reaper {
    config: Config,
    /// Indexed like the table. Allocated as needed, and only with limits of output.
    progress: Vec<PeerProgress>,
    /// Whether nothing is read, so that idle time does not count.
    is_paused: bool,
}

impl Reaper {
    /// One for these settings.
    pub(crate) fn new(config: Config) -> Reaper {
        Reaper { config, progress: Vec::new(), is_paused: false }
    }

    /// Follows what may change of the settings.
    pub(crate) fn follow(&mut self, settings: &Settings) {
        self.config.write_timeout = settings.config().write_timeout;
        self.is_paused = settings.is_paused();
    }

    /// Time between two sweeps; `None` if the settings have no limit that it enforces.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let Config { idle_timeout, write_timeout, min_rate, .. } = self.config;
        let limits = [idle_timeout, write_timeout, min_rate.map(|min_rate| min_rate.period)];
        limits.into_iter().flatten().min().map(|shortest| (shortest / 4).clamp(MIN_INTERVAL, MAX_INTERVAL))
    }

    /// Closes the connections that exceed a limit at `now`, in milliseconds on the server's clock.
    pub(crate) fn sweep(&mut self, table: &ConnectionTable, now: u32) {
        for connection in table.entries().filter_map(EntryRef::look) {
            if let Some(cause) = self.exceeded_limit(&connection, now) {
                connection.close(cause);
            }
        }
    }

    fn exceeded_limit(&mut self, connection: &OpenConnection, now: u32) -> Option<CloseCause> {
        let OpenConnection { entry, number } = connection;
        if (self.config.write_timeout.is_some() || self.config.min_rate.is_some())
            && let Some(progress) = slot(&mut self.progress, entry.index as usize)
            && (entry.has_pending_output() || !progress.is_settled(*number, entry.sent()))
            && let Some(cause) = progress.update(&self.config, *number, entry.output(), now)
        {
            return Some(cause);
        }
        let timeout = self.config.idle_timeout.filter(|_| !self.is_paused && !entry.has_pending_output())?;
        // The clock wraps around after 49 days; the difference is right across that. Progress may be newer than `now`.
        let idle_for = now.wrapping_sub(entry.last_progress()) as i32;
        let has_expired = idle_for > 0 && u128::from(idle_for.unsigned_abs()) >= timeout.as_millis();
        has_expired.then_some(CloseCause::IdleTimeout)
    }
}

/// The item at `index`, after growing `progress` to contain it; `None` when there is no memory for that.
fn slot(progress: &mut Vec<PeerProgress>, index: usize) -> Option<&mut PeerProgress> {
    if progress.len() <= index {
        progress.try_reserve(index + 1 - progress.len()).ok()?;
        progress.resize_with(index + 1, PeerProgress::default);
    }
    progress.get_mut(index)
}

/// Only tests have timeouts this short.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Reading acknowledgements takes 0.75 µs per connection: 8 ms per sweep if 10,000 connections have pending output.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::sync::Arc;

    use echoctl_testkit::{eventually, pair};

    use super::super::{ConnectionHandle, Entry, Shared};
    use super::*;
    use crate::config::MinRate;
    use crate::sys::Descriptor;

    /// A connection of the server whose peer has stopped reading: no more is accepted, and no more is acknowledged.
    struct Stalled {
        shared: Arc<Shared>,
        handle: ConnectionHandle,
        socket: TcpStream,
        peer: TcpStream,
    }

    impl Stalled {
        fn new(config: Config) -> Stalled {
            let (peer, socket) = pair();
            socket.set_nonblocking(true).unwrap();
            let shared =
                Arc::new(Shared::new(Arc::new(Settings::new(config)), Arc::default(), Box::new(|_| ())));
            let entry = shared.table.insert(Descriptor::of(&socket), peer.local_addr().unwrap(), 0).unwrap();
            let handle = ConnectionHandle::new(shared.clone(), entry);
            let stalled = Stalled { shared, handle, socket, peer };
            stalled.fill_send_queue();
            stalled.wait_for(|entry| {
                let queued = u64::from(entry.kernel_send_queue().unwrap());
                let output = entry.output();
                output.acknowledged > 0 && output.acknowledged + queued == output.sent
            });
            stalled
        }

        /// Writes until the kernel accepts no more for a while, as the peer's kernel acknowledges the last of what fits.
        fn fill_send_queue(&self) {
            let mut refused = 0;
            while refused < 100 {
                match (&self.socket).write(&[b'x'; 1 << 16]) {
                    Ok(count) => {
                        self.handle.entry().record_sent(count);
                        refused = 0;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        refused += 1;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            self.handle.set_pending_output(true);
        }

        fn entry(&self) -> &Entry {
            self.handle.entry()
        }

        fn wait_for(&self, condition: impl Fn(&Entry) -> bool) {
            eventually("the entry changes", || {
                if condition(self.entry()) { Ok(()) } else { Err(self.entry().output()) }
            });
        }

        /// The peer reads until its kernel has opened the window and acknowledged another 10,000 bytes.
        fn read_until_acknowledged(&mut self) {
            let before = self.entry().output().acknowledged;
            while self.entry().output().acknowledged < before + 10_000 {
                let count = self.peer.read(&mut [0; 1 << 16]).unwrap();
                assert!(count > 0, "the connection was closed");
            }
        }
    }

    #[test]
    fn a_slow_reader_survives_and_a_stopped_one_does_not() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let min_rate = Some(MinRate { bytes_per_second: 100, period: Duration::from_secs(30) });
        for (config, cause) in [
            (Config { write_timeout: seconds(30), ..Config::default() }, CloseCause::WriteTimeout),
            (Config { min_rate, ..Config::default() }, CloseCause::MinRate),
        ] {
            let mut reaper = Reaper::new(config.clone());
            let mut stalled = Stalled::new(config);
            let sent = stalled.entry().sent();
            let mut now = 0;
            reaper.sweep(&stalled.shared.table, now);

            // Our kernel accepts nothing meanwhile: progress is only what is acknowledged.
            for _ in 0..5 {
                stalled.read_until_acknowledged();
                now += 29_000;
                reaper.sweep(&stalled.shared.table, now);
                assert_eq!(stalled.entry().close_cause(), None, "{cause:?} at {now} ms");
            }
            assert_eq!(stalled.entry().sent(), sent);
            // The last acknowledgements may come a little later than the reads that caused them.
            while stalled.entry().close_cause().is_none() && now < 3_600_000 {
                now += 30_000;
                reaper.sweep(&stalled.shared.table, now);
            }

            assert_eq!(stalled.entry().close_cause(), Some(cause));
        }
    }

    #[test]
    fn an_idle_connection_is_not_subject_to_limits_of_output() {
        let config = Config { write_timeout: Some(Duration::from_secs(1)), ..Config::default() };
        let mut reaper = Reaper::new(config.clone());
        let stalled = Stalled::new(config);
        stalled.handle.set_pending_output(false);
        let all = stalled.entry().sent();
        let mut peer = stalled.peer.try_clone().unwrap();
        std::io::copy(&mut (&mut peer).take(all), &mut std::io::sink()).unwrap();
        stalled.wait_for(|entry| entry.output().acknowledged == all);

        for second in 0..100 {
            reaper.sweep(&stalled.shared.table, second * 1000);
        }

        assert_eq!(stalled.entry().close_cause(), None);
    }
}
