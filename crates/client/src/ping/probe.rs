//! The loop of one connection: waits until the next ping is due, sends it, reads and compares the reply, records the
//! time.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::PingConnection;
use super::latencies::Latencies;
use super::message::Message;
use super::outcome::PingFault;
use super::send_schedule::SendSchedule;

/// State shared by all connections of a ping.
pub(super) struct Shared<'a> {
    schedule: SendSchedule,
    timeout: Duration,
    stop: &'a AtomicBool,
    /// The number of the next ping, sent by the first free connection.
    next: AtomicU64,
    sent: AtomicU64,
    /// One histogram for all connections, since each takes some hundred KiB. The lock is rarely contended and costs
    /// 20 ns.
    latencies: Mutex<Latencies>,
    /// How late the client itself woke up, if a connection was free in time.
    lateness: Mutex<Latencies>,
}

impl Shared<'_> {
    pub(super) fn new(schedule: SendSchedule, timeout: Duration, stop: &AtomicBool) -> Shared<'_> {
        let (next, sent) = (AtomicU64::new(0), AtomicU64::new(0));
        let (latencies, lateness) = (Mutex::new(Latencies::new()), Mutex::new(Latencies::new()));
        Shared { schedule, timeout, stop, next, sent, latencies, lateness }
    }

    /// Pings that were due before `now` but not sent.
    pub(super) fn unsent(&self, now: Instant) -> u64 {
        self.schedule.due_before(now).unwrap_or(0).saturating_sub(self.sent.load(Relaxed))
    }

    /// The latencies, and the client's own lateness.
    pub(super) fn into_times(self) -> (Latencies, Latencies) {
        let inner = |times: Mutex<Latencies>| times.into_inner().unwrap_or_else(PoisonError::into_inner);
        (inner(self.latencies), inner(self.lateness))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Waits until `due`, or until stopped.
    fn wait(&self, due: Instant) {
        let mut has_waited = false;
        while !self.is_stopped() {
            let now = Instant::now();
            match due.saturating_duration_since(now) {
                Duration::ZERO if has_waited => return record(&self.lateness, now - due),
                Duration::ZERO => return,
                left if left <= EARLY_WAKE => thread::yield_now(),
                left => thread::sleep((left - EARLY_WAKE).min(MAX_SLEEP)),
            }
            has_waited = true;
        }
    }
}

/// Sends pings on one connection until the schedule has no more. Being stopped is not a fault.
pub(super) fn run(connection: &PingConnection, message: Message, shared: &Shared) -> Result<(), PingFault> {
    ping(connection, message, shared).or_else(|fault| if shared.is_stopped() { Ok(()) } else { Err(fault) })
}

fn ping(connection: &PingConnection, mut message: Message, shared: &Shared) -> Result<(), PingFault> {
    let mut reply = Vec::new();
    loop {
        let number = shared.next.fetch_add(1, Relaxed);
        let Some(due) = shared.schedule.due(number, Instant::now()) else { return Ok(()) };
        shared.wait(due);
        if shared.is_stopped() {
            return Ok(());
        }
        let frame = message.numbered(number);
        reply.resize(frame.len(), 0);
        shared.sent.fetch_add(1, Relaxed);
        let answer = exchange(connection, frame, &mut reply, shared.timeout);
        let time = due.elapsed();
        answer.map_err(|error| PingFault::of(error, shared.timeout))?;
        if reply != frame {
            return Err(PingFault::Mismatch);
        }
        record(&shared.latencies, time);
    }
}

/// Sends `frame` and reads a reply of the same length, both within `timeout`.
///
/// A socket's timeouts apply to each call, and a peer that sends one byte at a time never triggers them. They are
/// left alone if one quick write and one read suffice, which saves system calls; otherwise each call gets the rest of
/// the time.
fn exchange(
    connection: &PingConnection,
    frame: &[u8],
    reply: &mut [u8],
    timeout: Duration,
) -> io::Result<()> {
    let mut stream = &connection.stream;
    let started = Instant::now();
    let (mut written, mut got, mut is_changed) = (0, 0, false);
    while got < reply.len() {
        let spent = started.elapsed();
        let is_in_pieces = got > 0 || (1..frame.len()).contains(&written);
        if is_in_pieces || spent > timeout / 16 {
            let left =
                timeout.checked_sub(spent).filter(|left| !left.is_zero()).ok_or(ErrorKind::TimedOut)?;
            stream.set_write_timeout(Some(left))?;
            stream.set_read_timeout(Some(left))?;
            is_changed = true;
        }
        let moved = if written < frame.len() {
            stream.write(&frame[written..])
        } else {
            stream.read(&mut reply[got..])
        };
        match moved {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) if written < frame.len() => {
                connection.counters.record_write(count);
                written += count;
            }
            Ok(count) => {
                connection.counters.record_read(count);
                got += count;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if is_changed {
        stream.set_write_timeout(Some(timeout))?;
        stream.set_read_timeout(Some(timeout))?;
    }
    Ok(())
}

fn record(times: &Mutex<Latencies>, time: Duration) {
    times.lock().unwrap_or_else(PoisonError::into_inner).record(time);
}

/// How early to wake up from a sleep: Linux adds 50 µs of timer slack, and lateness would be attributed to the
/// server. The rest is spent in a busy wait, which costs a twelfth of a core at 1,000 pings per second.
const EARLY_WAKE: Duration = Duration::from_micros(80);

/// Maximum duration of a sleep, and so the delay until a stop is noticed.
const MAX_SLEEP: Duration = Duration::from_millis(50);
