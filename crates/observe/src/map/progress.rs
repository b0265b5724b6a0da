//! The last seconds of each connection: what moved in each direction, and whether its writer was held back.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echoctl_record::{EdgeFlow, Fill, Transport};

use super::end::{End, flow, passed};
use super::links::Link;

/// The last seconds of all connections.
#[derive(Debug, Default)]
pub(super) struct History {
    links: HashMap<Key, LinkHistory>,
    samples: u64,
}

/// What identifies a connection over time: an address may be used again, the inodes of sockets are not.
type Key = (Option<SocketAddr>, Option<u32>, Option<u32>);

fn key(link: &Link) -> Key {
    let inode = |end: &Option<End>| end.map(|end| end.inode);
    // Before it is accepted, the end of a server has no inode.
    let server = inode(&link.server.1).filter(|_| link.transport == Transport::Unix);
    (link.client_address, inode(&link.client.1), server)
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(super) struct LinkHistory {
    pub(super) to_server: Progress,
    pub(super) to_client: Progress,
    /// When it was first seen.
    since: Option<Instant>,
    /// The number of the sample that contained it last.
    seen: u64,
}

impl History {
    /// Adds the connections of a sample, and drops those that are gone.
    pub(super) fn update(&mut self, links: &[Link], now: Instant) {
        self.samples += 1;
        for link in links {
            let history = self.links.entry(key(link)).or_default();
            let (client, server) = (link.client.1.as_ref(), link.server.1.as_ref());
            history.to_server.add(client, server, now);
            history.to_client.add(server, client, now);
            history.since = history.since.or(Some(now));
            history.seen = self.samples;
        }
        self.links.retain(|_, history| history.seen == self.samples);
    }

    /// The history of a connection of the last sample; `None` while its processes are being looked for.
    pub(super) fn of(&self, link: &Link, now: Instant) -> Option<&LinkHistory> {
        let history = self.links.get(&key(link))?;
        let is_new = history.since.is_none_or(|since| now - since < UNKNOWN_FOR);
        (!is_new || !link.is_pending()).then_some(history)
    }
}

/// The last seconds of one direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    readings: VecDeque<Reading>,
    /// When bytes were last seen to move; before that, when some were last sent, or when it was first seen.
    last_moved: Option<Instant>,
    /// What flows now.
    flow: EdgeFlow,
    is_unanswered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    passed: Option<u64>,
    is_full: bool,
    has_unread: bool,
}

impl Progress {
    fn add(&mut self, writer: Option<&End>, reader: Option<&End>, now: Instant) {
        self.flow = flow(writer, reader);
        self.is_unanswered = writer.is_some_and(|end| end.is_unanswered);
        let reading = Reading {
            at: now,
            passed: passed(writer, reader),
            is_full: self.flow.fill == Fill::Full,
            has_unread: self.flow.receive_queue > Some(0),
        };
        // Without a counter, an empty queue is the only sign of progress.
        match (self.readings.back(), reading.passed) {
            (None, _) => self.last_moved = Some(last_sent(writer, reader, now)),
            (Some(last), Some(passed)) if last.passed != Some(passed) => self.last_moved = Some(now),
            (Some(_), None) if !reading.is_full => self.last_moved = Some(now),
            (Some(_), _) => {}
        }
        self.readings.push_back(reading);
        while self.readings.get(1).is_some_and(|second| now - second.at >= RATE_WINDOW) {
            self.readings.pop_front();
        }
    }

    /// What flows now, with what the last seconds say about it.
    pub(super) fn flow(&self, now: Instant) -> EdgeFlow {
        let (is_held_back, is_not_read) = (self.is_held_back(now), self.is_not_read(now));
        let rate = self.rate();
        EdgeFlow {
            held_back: is_held_back.into(),
            unanswered: (is_held_back && self.is_unanswered).into(),
            not_read: is_not_read.into(),
            stalled_seconds: self.stalled_seconds(now).filter(|_| is_held_back),
            rate,
            held_back_rate: rate.filter(|_| is_held_back),
            ..self.flow
        }
    }

    /// The readings of the last second, and the one before them; none if it has not been known for that long.
    fn last_second(&self, now: Instant) -> impl Iterator<Item = &Reading> {
        let before = self.readings.iter().rposition(|reading| now - reading.at >= HELD_BACK_AFTER);
        self.readings.range(before.unwrap_or(self.readings.len())..)
    }

    /// Whether it was full for most of a second: a writer that waits for a slow reader is woken now and then.
    fn is_held_back(&self, now: Instant) -> bool {
        let (full, all) = self
            .last_second(now)
            .fold((0, 0), |(full, all), reading| (full + u32::from(reading.is_full), all + 1));
        full > 0 && 4 * full >= 3 * all
    }

    /// Whether bytes have waited for the reader for a second, and it has not read.
    fn is_not_read(&self, now: Instant) -> bool {
        let mut recent = self.last_second(now).peekable();
        recent.peek().is_some()
            && recent.all(|reading| reading.has_unread && reading.passed.is_some())
            && self.last_moved.is_some_and(|moved| now - moved >= HELD_BACK_AFTER)
    }

    fn stalled_seconds(&self, now: Instant) -> Option<f64> {
        Some((now - self.last_moved?).as_secs_f64())
    }

    /// Bytes per second over the last seconds; `None` in the first sample, and where they are not counted.
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let seconds = (last.at - first.at).as_secs_f64();
        let passed = last.passed?.saturating_sub(first.passed?);
        (seconds > 0.0).then(|| passed as f64 / seconds)
    }
}

/// When payload was last sent, as the kernels know it, and as far as they do: a full connection has been so since then, also before
/// it was first seen.
fn last_sent(writer: Option<&End>, reader: Option<&End>, now: Instant) -> Instant {
    let sent = writer.and_then(|end| end.since_sent);
    let age = sent.or(reader.and_then(|end| end.since_received)).unwrap_or_default();
    now.checked_sub(age).unwrap_or(now)
}

/// Time after which a new connection is shown without its processes. Most are known within a second.
const UNKNOWN_FOR: Duration = Duration::from_millis(1500);

/// Time over which rates are averaged.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// Time for which a writer has to be held back to be called so. The kernel wakes a writer when a third of its send buffer is free,
/// and progress on loopback has gaps of up to 0.2 s.
const HELD_BACK_AFTER: Duration = Duration::from_secs(1);
