//! What is remembered of a connection between its readings: when each side last read, rates, and waits that have ended.

use std::time::{Duration, Instant};

use echoctl_record::{ConnectionPhase, Queue};

use super::Connection;
use crate::Timer;

/// The history of a connection, as far as it was followed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct History {
    /// When it was first seen.
    first: Option<Instant>,
    /// The last reading.
    last: Option<Reading>,
    /// Two earlier ones: rates are since the first of them.
    marks: Option<[Reading; 2]>,
    pub(super) server: Reader,
    pub(super) client: Reader,
    wait: Option<Wait>,
    /// The largest receive window that the client was seen to advertise.
    largest_window: Option<u32>,
    /// When its window was last seen closed.
    closed_at: Option<Instant>,
    /// How far the connection was in its life in the last reading, and since which one.
    phase: Option<(ConnectionPhase, Instant)>,
}

/// What one side has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reader {
    /// What it had read in two earlier readings: its rate is since the first of them.
    marks: Option<[(Instant, u64); 2]>,
    /// The most that it had read in any reading: bytes that move during one may count twice in it. `None` before the first.
    read: Option<u64>,
    /// When it last read, or nothing waited for it.
    at: Option<Instant>,
}

/// A wait of the server for the client's window, that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    lasted: Duration,
    ended: Instant,
}

/// What one reading showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    at: Instant,
    /// Bytes received by the server's kernel.
    received: Option<u64>,
    /// Bytes written by the server.
    written: Option<u64>,
    /// When the server's kernel last sent payload.
    sent_at: Option<Instant>,
    /// Whether the client's window was closed.
    is_closed: bool,
    /// As [`TcpInfo::rwnd_limited`](crate::TcpInfo::rwnd_limited).
    limited: Option<u64>,
}

/// What each side has read in one reading, and what waits for it.
#[derive(Debug, Clone, Copy)]
struct Waits {
    read_by_server: u64,
    for_server: u64,
    read_by_client: u64,
    for_client: u64,
}

impl Connection {
    /// Remembers what it shows now.
    pub(super) fn remember(&mut self, now: Instant) {
        let (reading, waits) = (Reading::of(self, now), Waits::of(self));
        self.history.add(reading, waits);
        let window = self.server.and_then(|server| server.info.snd_wnd);
        self.history.largest_window = self.history.largest_window.max(window);
        let phase = self.phase();
        if self.history.phase.is_none_or(|(before, _)| before != phase) {
            self.history.phase = Some((phase, now));
        }
    }
}

impl History {
    fn add(&mut self, reading: Reading, waits: Waits) {
        let now = reading.at;
        self.first.get_or_insert(now);
        self.server.add(waits.read_by_server, waits.for_server, now);
        self.client.add(waits.read_by_client, waits.for_client, now);
        if let Some(wait) = self.last.and_then(|last| last.wait_ended_before(&reading)) {
            self.wait = Some(wait);
        }
        if reading.is_closed {
            self.closed_at = Some(now);
        }
        self.last = Some(reading);
        self.marks = Some(match self.marks {
            None => [reading; 2],
            Some([_, second]) if now.saturating_duration_since(second.at) >= MARK_INTERVAL => {
                [second, reading]
            }
            Some(marks) => marks,
        });
    }

    /// How long it has been followed.
    pub(super) fn seen_for(&self, now: Instant) -> Duration {
        self.first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first))
    }

    /// How long ago the side last read, or nothing waited for it. Before either was seen: since the connection was.
    pub(super) fn since_read(&self, side: Reader, now: Instant) -> Duration {
        self.first.map_or(Duration::ZERO, |first| side.waited(first, now))
    }

    /// Bytes per second received by the server's kernel over the last seconds; `None` after one reading, and if not visible.
    pub(super) fn receive_rate(&self) -> Option<f64> {
        self.rate(|reading| reading.received)
    }

    /// The same of those written by the server.
    pub(super) fn send_rate(&self) -> Option<f64> {
        self.rate(|reading| reading.written)
    }

    /// How long it has been seen in its phase.
    pub(super) fn in_phase_for(&self, now: Instant) -> Duration {
        self.phase.map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(since))
    }

    /// The share of the last seconds in which only the client's window kept the server's kernel from sending.
    pub(super) fn client_limited(&self) -> Option<f64> {
        self.rate(|reading| reading.limited).map(|microseconds| (microseconds / 1e6).min(1.0))
    }

    /// The largest receive window that the client was seen to advertise.
    pub(super) fn largest_window(&self) -> Option<u32> {
        self.largest_window
    }

    /// How long ago the client's window was last seen closed.
    pub(super) fn since_window_closed(&self, now: Instant) -> Option<Duration> {
        self.closed_at.map(|at| now.saturating_duration_since(at))
    }

    /// How long the last wait for the client's window was that has ended, and how long ago that was.
    pub(super) fn last_wait(&self, now: Instant) -> Option<(Duration, Duration)> {
        self.wait.map(|wait| (wait.lasted, now.saturating_duration_since(wait.ended)))
    }

    fn rate(&self, count: fn(&Reading) -> Option<u64>) -> Option<f64> {
        let (last, first) = (self.last?, self.marks?[0]);
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        let more = count(&last)?.saturating_sub(count(&first)?);
        (seconds > 0.0).then(|| more as f64 / seconds)
    }
}

impl Reader {
    /// Remembers how many bytes the side has read by now, and how many wait for it.
    pub(super) fn add(&mut self, read: u64, waiting: u64, now: Instant) {
        if waiting == 0 || self.read.is_some_and(|before| read > before) {
            self.at = Some(now);
        }
        let read = self.read.unwrap_or(0).max(read);
        self.read = Some(read);
        self.marks = Some(match self.marks {
            None => [(now, read); 2],
            Some([_, second]) if now.saturating_duration_since(second.0) >= READ_MARK_INTERVAL => {
                [second, (now, read)]
            }
            Some(marks) => marks,
        });
    }

    /// Bytes per second that it has read, over the last seconds; `None` until it has been followed for half a second.
    pub(super) fn rate(&self, now: Instant) -> Option<f64> {
        let ((since, before), read) = (self.marks?[0], self.read?);
        let time = now.saturating_duration_since(since);
        (time >= SHORTEST_RATE).then(|| read.saturating_sub(before) as f64 / time.as_secs_f64())
    }

    /// How long ago it last read, or nothing waited for it. Before either was seen: since the connection was `first` seen.
    pub(super) fn waited(&self, first: Instant, now: Instant) -> Duration {
        now.saturating_duration_since(self.at.unwrap_or(first))
    }
}

impl Reading {
    fn of(connection: &Connection, now: Instant) -> Reading {
        let counters = Some(connection.counters).filter(|_| !connection.shows_only_queues());
        let info = connection.server.map(|server| server.info);
        let age = info.and_then(|info| info.last_data_sent).map(|age| Duration::from_millis(age.into()));
        Reading {
            at: now,
            received: counters.and_then(|counters| counters.server_received),
            written: counters.and_then(|counters| counters.server_written),
            sent_at: age.and_then(|age| now.checked_sub(age)),
            is_closed: is_window_closed(connection),
            limited: info.and_then(|info| info.rwnd_limited),
        }
    }

    /// The wait for the client's window that was still going on at this reading and had ended by `next`.
    fn wait_ended_before(&self, next: &Reading) -> Option<Wait> {
        let (before, ended) = (self.sent_at?, next.sent_at?);
        let lasted = ended.saturating_duration_since(before);
        (self.is_closed && lasted >= SHORTEST_WAIT).then_some(Wait { lasted, ended })
    }
}

/// Whether the client's window keeps the server's kernel from sending: it is closed, or too small for a segment while the kernel
/// probes it. It also probes a peer that nothing reaches, whose window is as open as it last was.
fn is_window_closed(connection: &Connection) -> bool {
    let is_probed = connection.server_timer == Some(Timer::ZeroWindowProbe);
    let info = connection.server.map(|server| server.info);
    match info.and_then(|info| Some((info.snd_wnd?, info.snd_mss))) {
        Some((window, segment)) => window == 0 || (is_probed && window < segment),
        None => is_probed,
    }
}

impl Waits {
    fn of(connection: &Connection) -> Waits {
        let queues = connection.queues();
        let waiting = |queue| queues[queue].unwrap_or(0);
        Waits {
            read_by_server: connection.counters.server_read.unwrap_or(0),
            for_server: waiting(Queue::ServerReceive),
            read_by_client: connection.counters.consumed,
            for_client: waiting(Queue::ServerSend) + waiting(Queue::ClientReceive),
        }
    }
}

/// Rates are over one to two such intervals.
const MARK_INTERVAL: Duration = Duration::from_millis(1500);

/// The same of what a side reads. One that is slow reads a block now and then, so that a shorter time flickers.
const READ_MARK_INTERVAL: Duration = Duration::from_secs(3);

/// Time from which on a rate of reading is one: within less, a slow reader has read one block or none.
const SHORTEST_RATE: Duration = Duration::from_millis(450);

/// A client that reads all the time, however slowly, opens its window more often than that.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{Counters, Endpoint, TcpInfo};

    const MS: Duration = Duration::from_millis(1);

    /// A connection to a client elsewhere.
    fn connection(received: u64, unread: u64, acknowledged: u64, info: TcpInfo) -> Connection {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        Connection {
            counters: Counters {
                server_received: Some(received),
                server_read: Some(received - unread),
                server_written: Some(acknowledged + 10),
                client_received: Some(acknowledged),
                consumed: acknowledged,
                ..Counters::default()
            },
            server: Some(Endpoint { info, memory: None, timer: None }),
            ..Connection::new(addr, addr)
        }
    }

    fn remember(history: &mut History, connection: &Connection, now: Instant) {
        history.add(Reading::of(connection, now), Waits::of(connection));
    }

    #[test]
    fn a_probed_window_with_room_for_a_segment_is_open() {
        let is_closed = |snd_wnd, snd_mss| {
            let info = TcpInfo { snd_wnd: Some(snd_wnd), snd_mss, ..TcpInfo::default() };
            let server_timer = Some(Timer::ZeroWindowProbe);
            is_window_closed(&Connection { server_timer, ..connection(0, 0, 0, info) })
        };

        assert!(is_closed(0, 1448) && is_closed(1447, 1448) && is_closed(40_000, 65_483));
        assert!(!is_closed(81_920, 1448), "a network drops what is sent");
    }

    #[test]
    fn rates_are_over_the_last_seconds() {
        let start = Instant::now();
        let mut history = History::default();
        let mut rates = Vec::new();
        for tenth in 0..100 {
            let limited = TcpInfo { rwnd_limited: Some(25_000 * tenth), ..TcpInfo::default() };
            let received = 1000 * tenth.min(50);
            remember(
                &mut history,
                &connection(received, 0, 10 * tenth, limited),
                start + 100 * MS * tenth as u32,
            );
            rates.push((history.receive_rate(), history.send_rate(), history.client_limited()));
        }

        assert_eq!(rates[0], (None, None, None), "one reading has no rate");
        let near =
            |rate: Option<f64>, expected: f64| (rate.unwrap() - expected).abs() < 0.001 * expected + 1e-9;
        assert!(near(rates[1].0, 10_000.0) && near(rates[50].0, 10_000.0) && near(rates[99].0, 0.0));
        assert!(near(rates[99].1, 100.0) && near(rates[99].2, 0.25), "{rates:?}");
    }

    #[test]
    fn the_rate_of_a_reader_is_steady_though_it_reads_in_blocks() {
        let (start, mut reader) = (Instant::now(), Reader::default());
        for quarter in 0..60_u32 {
            // A block of 20,000 bytes each half second.
            let now = start + 250 * MS * quarter;
            reader.add(u64::from(quarter / 2) * 20_000, 1, now);
            let rate = reader.rate(now);
            assert_eq!(rate.is_some(), quarter >= 2, "{quarter}");
            assert!(rate.is_none_or(|rate| (25_000.0..=40_000.0).contains(&rate)), "{quarter}: {rate:?}");
            assert!(quarter < 12 || rate > Some(36_000.0), "{quarter}: {rate:?}");
        }
    }

    #[test]
    fn a_side_reads_when_its_count_rises_or_nothing_waits() {
        let (start, mut history) = (Instant::now(), History::default());
        let since = |history: &History, at| {
            let sides = [history.server, history.client];
            sides.map(|side| history.since_read(side, start + at * MS).as_millis())
        };
        let mut add = |at: u32, received, unread, acknowledged| {
            let now = connection(received, unread, acknowledged, TcpInfo::default());
            remember(&mut history, &now, start + at * MS);
            since(&history, at)
        };

        assert_eq!(add(0, 500, 500, 0), [0, 0]);
        assert_eq!(add(700, 900, 900, 0), [700, 700], "neither has read yet");
        assert_eq!(add(1000, 900, 400, 0), [0, 1000], "the server has read 500");
        assert_eq!(add(1500, 900, 401, 0), [500, 1500], "a count that falls");
        assert_eq!(add(1600, 900, 400, 1), [600, 0]);
        assert_eq!(add(1700, 400, 0, 1), [0, 100], "an empty queue");
    }

    #[test]
    fn a_wait_for_the_window_is_known_when_it_has_ended() {
        let (start, mut history) = (Instant::now() + 3600 * 1000 * MS, History::default());
        let mut add = |at: u32, window, since_sent| {
            let info =
                TcpInfo { snd_wnd: Some(window), last_data_sent: Some(since_sent), ..TcpInfo::default() };
            remember(&mut history, &connection(0, 0, 0, info), start + at * MS);
            history.last_wait(start + at * MS).map(|(lasted, ago)| (lasted.as_millis(), ago.as_millis()))
        };

        assert_eq!(add(0, 0, 4000), None, "it goes on, since before the first reading");
        assert_eq!(add(1000, 0, 5000), None);
        assert_eq!(add(2000, 9000, 300), Some((5700, 300)));
        assert_eq!(add(3000, 9000, 100), Some((5700, 1300)), "the window was open: a pause of the server");
        assert_eq!(add(3100, 0, 50), Some((5700, 1400)));
        assert_eq!(add(3500, 0, 60), Some((5700, 1800)), "shorter than half a second");
    }
}
