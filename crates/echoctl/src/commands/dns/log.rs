//! The log of `echoctl dns`: one line per message, printed by a separate thread, so that only this thread waits for the
//! reader.
//!
//! The server puts messages into a bounded channel and never waits. When the terminal stalls (Ctrl-S, a full pipe), the
//! channel fills up, and messages that do not fit are counted instead of queued.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_lab::dns::{Exchange, Transport};
use echoctl_observe::start_thread;
use echoctl_record::SCHEMA_VERSION;
use serde::Serialize;

use crate::output::{READER_GRACE, json_now, note_now, print_now};

/// The printing thread, and the channel to it.
pub(super) struct Log {
    sender: SyncSender<Line>,
    counts: Arc<Counts>,
    finished: Receiver<()>,
}

/// Number of messages by transport, and of those that were not printed.
#[derive(Default)]
struct Counts {
    udp: AtomicU64,
    tcp: AtomicU64,
    missed: AtomicU64,
}

enum Line {
    // Boxed: otherwise every entry of the channel would be as large as the largest variant.
    Message(Box<Message>),
    Summary(Summary),
}

/// A query and its reply, as in the JSON output.
#[derive(Debug, Serialize)]
struct Message {
    transport: &'static str,
    peer: String,
    /// Absent if it could not be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    query: Bytes,
    /// Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    answers: usize,
    truncated: bool,
}

/// The length of a message, and its first bytes in hex.
#[derive(Debug, Serialize)]
struct Bytes {
    /// Without the length prefix.
    bytes: usize,
    /// The length prefix, over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<String>,
    first_bytes: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    schema_version: u32,
    udp: u64,
    tcp: u64,
}

impl Log {
    pub(super) fn start(json: bool) -> Result<Log, echoctl_observe::Error> {
        let (sender, lines) = mpsc::sync_channel(QUEUE_LINES);
        let (done, finished) = mpsc::channel::<()>();
        let counts = Arc::new(Counts::default());
        let missed = Arc::clone(&counts);
        start_thread("log", move || {
            let mut reported = 0;
            while let Ok(line) = lines.recv() {
                let missed = missed.missed.load(Relaxed);
                let is_last = matches!(line, Line::Summary(_));
                let new = missed - std::mem::replace(&mut reported, missed);
                // An error means that the reader has gone. The server continues without its log.
                if print(&line, json, if is_last { missed } else { new }).is_err() || is_last {
                    break;
                }
            }
            // An error means that `finish` no longer waits.
            let _ = done.send(());
        })?;
        Ok(Log { sender, counts, finished })
    }

    /// A callback for each message, which returns immediately.
    pub(super) fn observer(&self) -> impl Fn(&Exchange) + Send + Sync + 'static {
        let (sender, counts) = (self.sender.clone(), self.counts.clone());
        move |exchange| {
            let of_its_kind = match exchange.transport {
                Transport::Udp => &counts.udp,
                Transport::Tcp => &counts.tcp,
            };
            of_its_kind.fetch_add(1, Relaxed);
            if sender.try_send(Line::Message(Box::new(Message::of(exchange)))).is_err() {
                counts.missed.fetch_add(1, Relaxed);
            }
        }
    }

    /// Prints the totals, and waits at most [`READER_GRACE`] until everything is printed. Returns whether it was, or the reader
    /// has gone.
    pub(super) fn finish(self) -> bool {
        let Log { sender, counts, finished } = self;
        let read = |count: &AtomicU64| count.load(Relaxed);
        let began = Instant::now();
        let mut line = Line::Summary(Summary {
            schema_version: SCHEMA_VERSION,
            udp: read(&counts.udp),
            tcp: read(&counts.tcp),
        });
        while began.elapsed() < READER_GRACE {
            match sender.try_send(line) {
                Err(TrySendError::Full(again)) => line = again,
                _ => break,
            }
            thread::sleep(LAST_STEP);
        }
        let left = READER_GRACE.saturating_sub(began.elapsed());
        // Only a timeout means a stalled reader: a panic of the thread does not.
        !matches!(finished.recv_timeout(left), Err(RecvTimeoutError::Timeout))
    }
}

impl Message {
    fn of(exchange: &Exchange) -> Message {
        let (name, kind) = exchange.question().unzip();
        let answer = exchange.answer();
        let bytes = |message: &[u8]| Bytes {
            bytes: message.len(),
            length: exchange.length_prefix(message).map(|lead| hex(&lead)),
            first_bytes: hex(&message[..message.len().min(SHOWN)]),
        };
        Message {
            transport: exchange.transport.name(),
            peer: exchange.peer.to_string(),
            name,
            r#type: kind,
            query: bytes(exchange.query),
            reply: exchange.reply.map(bytes),
            status: answer.map(|answer| answer.status),
            answers: answer.map_or(0, |answer| answer.records),
            truncated: answer.is_some_and(|answer| answer.is_truncated),
        }
    }

    /// One line with the client, the question, the length of the reply and its first bytes after the length prefix. Fits into
    /// 80 columns with the usual names and addresses.
    fn line(&self) -> String {
        let question = match (&self.name, &self.r#type) {
            (Some(name), Some(kind)) => format!("{} {kind}", shortened(name)),
            _ => "unreadable question".to_owned(),
        };
        let from = format!("{} {} {question}", self.transport, self.peer);
        let Some(reply) = &self.reply else {
            return format!("{from}: {} bytes, not a query, not answered", self.query.bytes);
        };
        let how = match self.status {
            _ if self.truncated => ", truncated".to_owned(),
            Some("NOERROR") if self.answers == 0 => ", no data".to_owned(),
            Some("NOERROR") | None => String::new(),
            Some(status) => format!(", {status}"),
        };
        let lead = reply.length.as_ref().map_or_else(String::new, |length| format!("[{length}] "));
        let head = format!("{from}: {} bytes{how}: {lead}", reply.bytes);
        // Each byte takes three columns, the last one two, and the dots after them three.
        let fit = (COLUMNS.saturating_sub(head.chars().count() + 2) / 3).clamp(FEWEST_SHOWN, MOST_SHOWN);
        let starts: String = reply.first_bytes.chars().take(fit * 3 - 1).collect();
        format!("{head}{starts} ..")
    }
}

/// Prints a line. `missed` is the number of lines not printed: since the last message, and for the summary in total.
fn print(line: &Line, json: bool, missed: u64) -> io::Result<()> {
    match line {
        Line::Message(message) if json => json_now("message", &**message, missed),
        Line::Summary(summary) if json => json_now("summary", summary, missed),
        Line::Message(message) => note_now(message.line(), missed),
        Line::Summary(Summary { udp, tcp, .. }) => {
            let lost = match missed {
                0 => String::new(),
                missed => format!(" ({missed} not shown: the reader was too slow)"),
            };
            print_now(format_args!("messages received: {udp} over UDP, {tcp} over TCP{lost}"))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The start of a long name, so that the line fits.
fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(MAX_NAME - 2).collect();
    format!("{kept}..")
}

/// Lines queued for a slow reader: at most about 700 bytes each (the longest name), 180 KiB in total.
const QUEUE_LINES: usize = 256;

/// Number of a message's first bytes in the JSON output: the length of a DNS header.
const SHOWN: usize = 12;

/// Number of a reply's first bytes in a line: at least its id, also its flags and number of questions if they fit.
const FEWEST_SHOWN: usize = 2;
const MOST_SHOWN: usize = 6;

/// Maximum columns of a line, and of a name in it.
const COLUMNS: usize = 80;
const MAX_NAME: usize = 18;

/// Time between two attempts to queue the summary.
const LAST_STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn message(transport: Transport, labels: &[&str]) -> Message {
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            query.push(label.len() as u8);
            query.extend_from_slice(label.as_bytes());
        }
        query.extend([0, 0, 16, 0, 1]);
        let reply = echoctl_lab::dns::reply(&query, transport, 0);
        let peer = SocketAddr::from(([127, 0, 0, 1], 54321));
        Message::of(&Exchange { transport, peer, query: &query, reply: reply.as_deref() })
    }

    #[test]
    fn only_over_tcp_does_a_line_show_the_length_prefix() {
        let over_udp = message(Transport::Udp, &["4000", "txt", "test"]).line();
        let over_tcp = message(Transport::Tcp, &["4000", "txt", "test"]).line();

        assert_eq!(
            over_udp,
            "UDP 127.0.0.1:54321 4000.txt.test TXT: 31 bytes, truncated: 12 34 87 00 00 01 .."
        );
        assert_eq!(
            over_tcp,
            "TCP 127.0.0.1:54321 4000.txt.test TXT: 4059 bytes: [0f db] 12 34 85 00 00 01 .."
        );
    }

    #[test]
    fn a_line_shows_the_status_and_fits_into_80_columns() {
        let no_data = message(Transport::Udp, &["64801", "txt", "test"]).line();
        let refused = message(Transport::Tcp, &[&"x".repeat(60), "example"]).line();

        assert!(no_data.contains("no data"), "{no_data}");
        assert!(refused.contains("REFUSED") && refused.contains("xxx.."), "{refused}");
        assert!(no_data.chars().count() <= 80 && refused.chars().count() <= 80, "{refused}");
    }

    #[test]
    fn a_stalled_reader_misses_lines_and_does_not_stall_the_server() {
        // A channel that is never read, as while the terminal is stalled.
        let (sender, _held) = mpsc::sync_channel(2);
        let (_done, finished) = mpsc::channel();
        let log = Log { sender, counts: Arc::default(), finished };
        let observe = log.observer();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));

        for _ in 0..5 {
            observe(&Exchange { transport: Transport::Udp, peer, query: b"junk", reply: None });
        }

        assert_eq!((log.counts.udp.load(Relaxed), log.counts.missed.load(Relaxed)), (5, 3));
    }
}
