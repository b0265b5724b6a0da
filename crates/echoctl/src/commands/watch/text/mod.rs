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

mod culprits;
mod summary;

use std::fmt::Write;

use echoctl_record::{Bytes, ConnectionRow, ListenerFigures, Queue, Queues, Sample, Seconds, Stalled};
use echoctl_report::{Recent, labelled};

use super::row::buffered;
pub(super) use culprits::CulpritLines;
pub(super) use summary::print_summary;

/// Prints a server again and again. Remembers a few seconds, for rates.
#[derive(Debug)]
pub(super) struct WatchText {
    title: String,
    /// What is to be known about how its sockets are visible.
    visibility: Option<&'static str>,
    /// Samples in which `produced` and `consumed` are what the server has received and written since the start.
    recent: Recent,
    /// Whether bytes that move are counted.
    counts: bool,
}

impl WatchText {
    pub(super) fn new(title: String, visibility: Option<&'static str>) -> WatchText {
        WatchText { title, visibility, recent: Recent::over(RATE_SECONDS), counts: true }
    }

    /// Adds one sample, up to which the server has `moved` this many bytes in and out, if that is visible.
    pub(super) fn add(&mut self, sample: &Sample, moved: Option<(u64, u64)>) {
        self.counts = moved.is_some();
        let (produced, consumed) = moved.unwrap_or_default();
        self.recent.add(Sample { produced, consumed, ..*sample });
    }

    /// One line of some 85 columns, for a log. The rates, the queues and the memory are those of the server.
    pub(super) fn line(&self, sample: &Sample, listeners: &[ListenerFigures]) -> String {
        let queues = Queues::of(sample);
        let (received, written) = self.rates();
        format!(
            "{}  {} open  server in {received} out {written}  recv-q {} send-q {}  mem {}",
            Seconds(sample.t),
            sample.connections,
            size(queues[Queue::ServerReceive]),
            size(queues[Queue::ServerSend]),
            size(sample.server_memory),
        ) + &accept_queue(listeners)
    }

    /// The screen, for a terminal of this size.
    pub(super) fn screen(
        &self,
        sample: &Sample,
        rows: &[ConnectionRow],
        seen: u64,
        (columns, lines): (usize, usize),
    ) -> String {
        let columns = columns.min(MAX_COLUMNS);
        let time = Seconds(sample.t).to_string();
        let room = columns.saturating_sub(time.len() + 3);
        let mut text = format!("{:<room$.room$}  {time}\n\n", self.title);
        text.push_str(&self.head(sample, rows, seen, columns));
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
    fn head(&self, sample: &Sample, rows: &[ConnectionRow], seen: u64, columns: usize) -> String {
        let mut connections = format!("{} now, {seen} seen", sample.connections);
        let mut joint = "; waiting ";
        for (side, name) in
            [(Stalled::Client, "the client"), (Stalled::Server, "the server"), (Stalled::Both, "both")]
        {
            let count = rows.iter().filter(|row| row.waits_for == Some(side)).count();
            if count > 0 {
                let _ = write!(connections, "{joint}for {name}: {count}");
                joint = ", ";
            }
        }
        let (received, written) = self.rates();
        let memory = sample.server_memory.map_or("not visible here".to_owned(), |bytes| {
            let trend = self.recent.trend(|sample| sample.server_memory, bytes);
            format!("{}{}{trend}", Bytes(bytes), if trend.is_empty() { "" } else { ", " })
        });
        let queued = Bytes(buffered(sample));
        let kernel = match sample.kernel_memory {
            None if sample.connections > 0 => format!("{queued} in queues; their memory is not visible here"),
            memory => format!("{} of memory for {queued} in queues", Bytes(memory.unwrap_or(0))),
        };
        let server = if self.counts {
            format!("in {received}, out {written}")
        } else {
            "bytes that move are not visible here".to_owned()
        };
        let fields =
            [("connections", connections), ("server", server), ("memory", memory), ("kernel", kernel)];
        let visibility = self.visibility.map(|sentence| ("sockets", sentence.to_owned()));
        let fields = fields.into_iter().chain(visibility);
        let lines = fields.flat_map(|(label, value)| labelled(label, LABEL, &value, columns));
        lines.map(|line| line + "\n").collect()
    }

    /// Bytes per second in and out, over the last seconds; `-` if they are not visible, and in the first sample.
    fn rates(&self) -> (String, String) {
        let rate = |bytes: fn(&Sample) -> u64| {
            let rate = self.recent.mean(bytes).filter(|_| self.counts);
            rate.map_or("-".to_owned(), |rate| rate.to_string())
        };
        (rate(|sample| sample.produced), rate(|sample| sample.consumed))
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
        self.sizes("total", KERNEL_QUEUES.map(|queue| queues[queue]), None)
    }

    fn row(&self, row: &ConnectionRow) -> String {
        let sizes = [row.client_send, Some(row.server_receive), Some(row.server_send), row.client_receive];
        self.sizes(&shortened(&row.client, self.name - 1), sizes, row.waits_for)
    }

    fn sizes(&self, name: &str, sizes: [Option<u64>; 4], waits_for: Option<Stalled>) -> String {
        let sizes = sizes.map(size);
        let waits_for = waits_for.map(|side| side.to_string()).unwrap_or_default();
        self.line(name, sizes.each_ref().map(String::as_str), &waits_for)
    }
}

/// The connections that no listener has accepted, if there are any.
fn accept_queue(listeners: &[ListenerFigures]) -> String {
    let total =
        |count: fn(&ListenerFigures) -> Option<u32>| -> u32 { listeners.iter().filter_map(count).sum() };
    match total(|listener| listener.accept_queue) {
        0 => String::new(),
        waiting => format!("  accept-q {waiting}/{}", total(|listener| listener.accept_queue_limit)),
    }
}

/// A number of bytes, if it is visible.
fn size(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string())
}

/// An address in at most this many columns. Of a long one the end is shown, where addresses differ.
fn shortened(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    format!("…{}", text.chars().skip(length - (columns - 1)).collect::<String>())
}

/// The queues of a connection in the table, along the path.
const KERNEL_QUEUES: [Queue; 4] =
    [Queue::ClientSend, Queue::ServerReceive, Queue::ServerSend, Queue::ClientReceive];

/// Columns of a line at most: wider ones are hard to read.
const MAX_COLUMNS: usize = 100;

/// Columns that the wide table needs.
const WIDE: usize = 75;

/// Columns of the labels.
const LABEL: usize = 13;

/// Seconds over which rates are averaged. Shorter ones flicker, longer ones lag.
const RATE_SECONDS: f64 = 2.0;

#[cfg(test)]
mod tests;
