//! The picture: a live server in a screen of text, and in one line.
//!
//! ```text
//! 127.0.0.1:7118: echoctl (pid 25767)                                       2.3 s
//!
//!   connections  30 now, 30 seen; wait for: client 27
//!   flow         in 0 B/s, out 0 B/s
//!   memory       2.6 MiB, steady
//!   kernel       25 MiB of memory for 25 MiB in queues
//!
//!   bytes in queues         client    server    server    client
//!                             send   receive      send   receive
//!   all connections            0 B       0 B    21 MiB   3.5 MiB
//!   127.0.0.1:39300            0 B       0 B   1.5 MiB   126 KiB  waits: client
//! ```

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Instant;

use echoctl_observe::{ConnectionTracker, Observation};
use echoctl_record::{Bytes, Queues, Rate, Sample, Seconds};

use super::rows::{Row, WaitsFor, buffered};
use crate::output::terminal_size;

/// Draws a server, moment by moment; remembers a few seconds, for rates.
#[derive(Debug)]
pub(super) struct WatchScreen {
    title: String,
    /// Bytes of each connection when it was last seen: sums over changing sets of connections have no rate.
    before: HashMap<(SocketAddr, SocketAddr), (u64, u64)>,
    moments: VecDeque<RatePoint>,
    /// Bytes that came in and went out while this was watched.
    moved: (u64, u64),
}

/// What rates are taken of.
#[derive(Debug, Clone, Copy)]
struct RatePoint {
    at: Instant,
    moved: (u64, u64),
    memory: Option<u64>,
}

impl WatchScreen {
    pub(super) fn new(title: String) -> WatchScreen {
        WatchScreen { title, before: HashMap::new(), moments: VecDeque::new(), moved: (0, 0) }
    }

    /// Takes one more look.
    pub(super) fn add(&mut self, observation: &Observation, rows: &[Row]) {
        let mut now = HashMap::with_capacity(rows.len());
        for row in rows {
            let connection = (row.client, row.server);
            // What a connection moved before it was first seen does not count.
            let (received, written) =
                self.before.get(&connection).copied().unwrap_or((row.received, row.written));
            self.moved.0 += row.received.saturating_sub(received);
            self.moved.1 += row.written.saturating_sub(written);
            now.insert(connection, (row.received, row.written));
        }
        self.before = now;
        let moment =
            RatePoint { at: Instant::now(), moved: self.moved, memory: observation.sample.server_memory };
        while self.moments.front().is_some_and(|old| (moment.at - old.at).as_secs_f64() > RATE_SECONDS) {
            self.moments.pop_front();
        }
        self.moments.push_back(moment);
    }

    /// One line of at most 80 columns, for a log: the queues are the server's.
    pub(super) fn line(&self, observation: &Observation) -> String {
        let sample = &observation.sample;
        let queues = Queues::of(sample);
        let size = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string());
        let (received, written) = self.rates();
        format!(
            "{}  {} open  in {received}  out {written}  receive {}  send {}  mem {}",
            Seconds(sample.t),
            sample.connections,
            size(queues.server_receive),
            size(queues.server_send),
            size(sample.server_memory),
        )
    }

    /// The screen: at most as many lines and columns as the terminal has.
    pub(super) fn text(
        &self,
        observation: &Observation,
        rows: &[Row],
        tracker: &ConnectionTracker,
    ) -> String {
        let (columns, lines) = terminal_size();
        self.fitted(observation, rows, tracker.connections_seen(), columns.min(100), lines)
    }

    fn fitted(
        &self,
        observation: &Observation,
        rows: &[Row],
        came: u64,
        columns: usize,
        lines: usize,
    ) -> String {
        let sample = &observation.sample;
        let time = Seconds(sample.t).to_string();
        let room = columns.saturating_sub(time.len() + 3);
        let mut text = format!("{:<room$.room$}  {time}\n\n", self.title);
        text.push_str(&self.head(observation, rows, came));
        let _ = writeln!(text, "\n  {:<22}{HEADINGS}", "bytes in queues");
        let _ = writeln!(text, "  {:<22}{}", "all connections", of_all(sample));
        // One line for what does not fit, one for the cursor.
        let room = lines.saturating_sub(text.lines().count() + 2);
        for row in rows.iter().take(room) {
            let _ = writeln!(text, "  {:<22}{}", shortened(row.client), of_one(row));
        }
        if rows.len() > room {
            let _ = writeln!(text, "  and {} more that hold less", rows.len() - room);
        }
        text
    }

    fn head(&self, observation: &Observation, rows: &[Row], came: u64) -> String {
        let sample = &observation.sample;
        let waiting =
            |who| rows.iter().filter(|row| row.waits_for == who || row.waits_for == WaitsFor::Both).count();
        let mut text = format!("  {:<13}{} now, {came} seen", "connections", sample.connections);
        let mut joint = "; wait for:";
        for (who, what) in [(WaitsFor::Client, "client"), (WaitsFor::Server, "server")] {
            if waiting(who) > 0 {
                let _ = write!(text, "{joint} {what} {}", waiting(who));
                joint = ",";
            }
        }
        let (received, written) = self.rates();
        let _ = write!(text, "\n  {:<13}in {received}, out {written}", "flow");
        let memory = sample.server_memory.map_or("not visible here".to_owned(), |bytes| {
            let trend = self.memory_trend().map_or(String::new(), |slope| format!(", {}", trend(slope)));
            format!("{}{trend}", Bytes(bytes))
        });
        let _ = write!(text, "\n  {:<13}{memory}", "memory");
        let (kernel, held) = (Bytes(sample.kernel_memory.unwrap_or(0)), Bytes(buffered(sample)));
        let _ = writeln!(text, "\n  {:<13}{kernel} of memory for {held} in queues", "kernel");
        text
    }

    /// Bytes a second in and out, over the last seconds.
    fn rates(&self) -> (Rate, Rate) {
        let (Some(then), Some(now)) = (self.moments.front(), self.moments.back()) else {
            return (Rate(0.0), Rate(0.0));
        };
        let seconds = (now.at - then.at).as_secs_f64().max(0.001);
        let rate = |then: u64, now: u64| Rate((now - then) as f64 / seconds);
        (rate(then.moved.0, now.moved.0), rate(then.moved.1, now.moved.1))
    }

    fn memory_trend(&self) -> Option<f64> {
        let (then, now) = (self.moments.front()?, self.moments.back()?);
        let seconds = (now.at - then.at).as_secs_f64();
        (seconds > 0.2).then(|| (now.memory.unwrap_or(0) as f64 - then.memory.unwrap_or(0) as f64) / seconds)
    }
}

fn of_all(sample: &Sample) -> String {
    let queues = Queues::of(sample);
    columns(
        queues.client_send,
        queues.server_receive.unwrap_or(0),
        queues.server_send.unwrap_or(0),
        queues.client_receive,
    )
}

fn of_one(row: &Row) -> String {
    let waits = match row.waits_for {
        WaitsFor::Neither => "",
        WaitsFor::Client => "waits: client",
        WaitsFor::Server => "waits: server",
        WaitsFor::Both => "waits: both",
    };
    let queues = columns(row.client_send, row.server_receive, row.server_send, row.client_receive);
    let line = format!("{queues}  {waits}");
    line.trim_end().to_owned()
}

fn columns(
    client_send: Option<u64>,
    server_receive: u64,
    server_send: u64,
    client_receive: Option<u64>,
) -> String {
    let size = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string());
    format!(
        "{:>8}  {:>8}  {:>8}  {:>8}",
        size(client_send),
        size(Some(server_receive)),
        size(Some(server_send)),
        size(client_receive)
    )
}

fn trend(slope: f64) -> String {
    match slope {
        s if s.abs() < STEADY => "steady".to_owned(),
        s if s > 0.0 => format!("+{}", Rate(s)),
        s => format!("-{}", Rate(-s)),
    }
}

/// An address in at most 21 characters: the end of a long one, where it differs.
fn shortened(addr: SocketAddr) -> String {
    let text = addr.to_string();
    let length = text.chars().count();
    if length <= 21 { text } else { format!("…{}", text.chars().skip(length - 20).collect::<String>()) }
}

/// The queues in the order of the path.
const HEADINGS: &str =
    "  client    server    server    client\n                            send   receive      send   receive";

/// Seconds over which rates are taken: shorter ones tremble, longer ones lag.
const RATE_SECONDS: f64 = 2.0;

/// Bytes a second below which memory is steady.
const STEADY: f64 = 100.0 * 1024.0;

#[cfg(test)]
mod tests;
