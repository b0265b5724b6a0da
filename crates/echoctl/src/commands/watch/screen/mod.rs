//! Draws a live server as a screen of text, or as one line.
//!
//! ```text
//! 127.0.0.1:7118: echoctl (pid 25767)                                       2.3 s
//!
//!   connections  30 now, 30 seen; waiting for the client: 27
//!   server       in 0 B/s, out 0 B/s
//!   memory       2.6 MiB, steady
//!   kernel       25 MiB of memory for 25 MiB in queues
//!
//!   bytes queued            client    server    server    client  waits
//!                             send   receive      send   receive  for
//!   total                      0 B       0 B    21 MiB   3.5 MiB
//!   127.0.0.1:39300            0 B       0 B   1.5 MiB   126 KiB  client
//! ```

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Instant;

use echoctl_observe::{ConnectionTracker, Observation};
use echoctl_record::{Bytes, Queues, Rate, Sample, Seconds};
use echoctl_report::wrap;

use super::rows::{Row, WaitsFor, buffered};
use crate::output::terminal_size;

/// Draws a server again and again. Remembers a few seconds, for rates.
#[derive(Debug)]
pub(super) struct WatchScreen {
    title: String,
    /// Bytes of each connection at the last sample. Rates need them one by one, because the set of connections changes.
    before: HashMap<(SocketAddr, SocketAddr), (u64, u64)>,
    moments: VecDeque<RatePoint>,
    /// Bytes received and written since the start.
    moved: (u64, u64),
}

/// Totals at one time, for rates.
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

    /// Adds one sample.
    pub(super) fn add(&mut self, observation: &Observation, rows: &[Row]) {
        let mut now = HashMap::with_capacity(rows.len());
        for row in rows {
            let connection = (row.client, row.server);
            // Bytes from before its first sample do not count.
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

    /// One line of some 85 columns, for a log. The rates, the queues and the memory are those of the server.
    pub(super) fn line(&self, observation: &Observation) -> String {
        let sample = &observation.sample;
        let queues = Queues::of(sample);
        let size = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string());
        let (received, written) = self.rates();
        format!(
            "{}  {} open  server in {received} out {written}  recv-q {} send-q {}  mem {}",
            Seconds(sample.t),
            sample.connections,
            size(queues.server_receive),
            size(queues.server_send),
            size(sample.server_memory),
        )
    }

    /// The screen, for the size of this terminal.
    pub(super) fn text(
        &self,
        observation: &Observation,
        rows: &[Row],
        tracker: &ConnectionTracker,
    ) -> String {
        let (columns, lines) = terminal_size();
        self.fitted(observation, rows, tracker.connections_seen(), columns.min(MAX_COLUMNS), lines)
    }

    fn fitted(
        &self,
        observation: &Observation,
        rows: &[Row],
        seen: u64,
        columns: usize,
        lines: usize,
    ) -> String {
        let sample = &observation.sample;
        let time = Seconds(sample.t).to_string();
        let room = columns.saturating_sub(time.len() + 3);
        let mut text = format!("{:<room$.room$}  {time}\n\n", self.title);
        text.push_str(&self.head(observation, rows, seen, columns));
        let table = Table::of(columns);
        let _ = writeln!(
            text,
            "\n{}",
            table.line("bytes queued", ["client", "server", "server", "client"], "waits")
        );
        let _ = writeln!(text, "{}", table.line("", ["send", "receive", "send", "receive"], "for"));
        let _ = writeln!(text, "{}", table.total(sample));
        // One line for the note at the end, one for the cursor.
        let room = lines.saturating_sub(text.lines().count() + 2);
        for row in rows.iter().take(room) {
            let _ = writeln!(text, "{}", table.row(row));
        }
        if rows.len() > room {
            let _ = writeln!(text, "  and {} more that buffer less", rows.len() - room);
        }
        text
    }

    /// The server as a whole.
    fn head(&self, observation: &Observation, rows: &[Row], seen: u64, columns: usize) -> String {
        let sample = &observation.sample;
        let mut connections = format!("{} now, {seen} seen", sample.connections);
        let mut joint = "; waiting ";
        for (side, name) in
            [(WaitsFor::Client, "the client"), (WaitsFor::Server, "the server"), (WaitsFor::Both, "both")]
        {
            let count = rows.iter().filter(|row| row.waits_for == side).count();
            if count > 0 {
                let _ = write!(connections, "{joint}for {name}: {count}");
                joint = ", ";
            }
        }
        let (received, written) = self.rates();
        let memory = sample.server_memory.map_or("not visible here".to_owned(), |bytes| {
            let trend = self.memory_trend().map_or(String::new(), |slope| format!(", {}", trend(slope)));
            format!("{}{trend}", Bytes(bytes))
        });
        let (kernel, queued) = (Bytes(sample.kernel_memory.unwrap_or(0)), Bytes(buffered(sample)));
        let fields = [
            ("connections", connections),
            ("server", format!("in {received}, out {written}")),
            ("memory", memory),
            ("kernel", format!("{kernel} of memory for {queued} in queues")),
        ];
        let mut text = String::new();
        for (label, value) in fields {
            let labels = std::iter::once(label).chain(std::iter::repeat(""));
            for (line, label) in wrap(&value, columns.saturating_sub(LABEL + 2)).iter().zip(labels) {
                let _ = writeln!(text, "  {label:<LABEL$}{line}");
            }
        }
        text
    }

    /// Bytes per second in and out, over the last seconds.
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

/// Widths of the table of connections.
struct Table {
    name: usize,
    gap: usize,
}

impl Table {
    /// The table for a terminal of this width: the wide one needs 75 columns, the narrow one 60.
    fn of(columns: usize) -> Table {
        if columns >= WIDE { Table { name: 22, gap: 2 } } else { Table { name: 14, gap: 1 } }
    }

    fn line(&self, name: &str, queues: [&str; 4], waits_for: &str) -> String {
        let Table { name: width, gap } = *self;
        let queues = queues.map(|text| format!("{text:>8}")).join(&" ".repeat(gap));
        format!("  {name:<width$}{queues}{:gap$}{waits_for}", "").trim_end().to_owned()
    }

    fn total(&self, sample: &Sample) -> String {
        let queues = Queues::of(sample);
        self.sizes(
            "total",
            [queues.client_send, queues.server_receive, queues.server_send, queues.client_receive],
            WaitsFor::Neither,
        )
    }

    fn row(&self, row: &Row) -> String {
        let sizes = [row.client_send, Some(row.server_receive), Some(row.server_send), row.client_receive];
        self.sizes(&shortened(row.client, self.name - 1), sizes, row.waits_for)
    }

    fn sizes(&self, name: &str, sizes: [Option<u64>; 4], waits_for: WaitsFor) -> String {
        let sizes = sizes.map(|bytes| bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string()));
        let waits_for = match waits_for {
            WaitsFor::Neither => "",
            WaitsFor::Client => "client",
            WaitsFor::Server => "server",
            WaitsFor::Both => "both",
        };
        self.line(name, sizes.each_ref().map(String::as_str), waits_for)
    }
}

fn trend(slope: f64) -> String {
    match slope {
        s if s.abs() < STEADY => "steady".to_owned(),
        s if s > 0.0 => format!("+{}", Rate(s)),
        s => format!("-{}", Rate(-s)),
    }
}

/// An address in at most this many columns. Of a long one the end is shown, where addresses differ.
fn shortened(addr: SocketAddr, columns: usize) -> String {
    let text = addr.to_string();
    let length = text.chars().count();
    if length <= columns {
        return text;
    }
    format!("…{}", text.chars().skip(length - (columns - 1)).collect::<String>())
}

/// Columns of a line at most: wider ones are hard to read.
const MAX_COLUMNS: usize = 100;

/// Columns that the wide table needs.
const WIDE: usize = 75;

/// Columns of the labels.
const LABEL: usize = 13;

/// Seconds over which rates are averaged. Shorter ones flicker, longer ones lag.
const RATE_SECONDS: f64 = 2.0;

/// Bytes per second below which memory is steady.
const STEADY: f64 = 100.0 * 1024.0;

#[cfg(test)]
mod tests;
