//! The log of `echoctl dns`: a line for each message, printed by a thread that alone may wait for whoever reads it.
//!
//! The answerer puts messages into a bounded channel and never waits: when the terminal stalls (Ctrl-S, a full pipe) the
//! channel fills, and what does not fit is counted instead of kept.

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

/// The printing thread, and the way to it.
pub(super) struct Log {
    sender: SyncSender<Line>,
    counts: Arc<Counts>,
    finished: Receiver<()>,
}

/// Messages by transport, and those whose lines were not printed.
#[derive(Default)]
struct Counts {
    udp: AtomicU64,
    tcp: AtomicU64,
    missed: AtomicU64,
}

enum Line {
    // Boxed: a place in the channel would else be as large as the largest of them.
    Message(Box<Message>),
    Summary(Summary),
}

/// A query and its reply, as it stands in the JSON.
#[derive(Debug, Serialize)]
struct Message {
    transport: &'static str,
    peer: String,
    /// Absent where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    query: Bytes,
    /// Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    answers: usize,
    truncated: bool,
}

/// A message's bytes, the first of them in hex.
#[derive(Debug, Serialize)]
struct Bytes {
    /// Without the length in front.
    bytes: usize,
    /// The length in front, in a stream.
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
            let mut told = 0;
            while let Ok(line) = lines.recv() {
                let missed = missed.missed.load(Relaxed);
                let is_last = matches!(line, Line::Summary(_));
                let new = missed - std::mem::replace(&mut told, missed);
                // An error means that nobody reads any more: a server whose log is gone still answers.
                if print(&line, json, if is_last { missed } else { new }).is_err() || is_last {
                    break;
                }
            }
            // Nobody hears it any more if the end did not wait so long.
            let _ = done.send(());
        })?;
        Ok(Log { sender, counts, finished })
    }

    /// What the answerer is to call for each message: it returns at once.
    pub(super) fn listener(&self) -> impl Fn(&Exchange) + Send + Sync + 'static {
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

    /// Prints the totals, and waits [`READER_GRACE`] for all that is still to be printed. Whether there was enough of it, or
    /// no reader any more.
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
        // The thread's end, by a panic too, is no stopped reader.
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

    /// One line: who asked what, how long the reply is, and its first bytes, those of the length apart. Fits in 80 columns
    /// with the names and addresses that are tried by hand.
    fn line(&self) -> String {
        let question = match (&self.name, &self.r#type) {
            (Some(name), Some(kind)) => format!("{} {kind}", shortened(name)),
            _ => "no question".to_owned(),
        };
        let from = format!("{} {} {question}", self.transport, self.peer);
        let Some(reply) = &self.reply else {
            return format!("{from}: {} bytes, no query, not answered", self.query.bytes);
        };
        let how = match self.status {
            _ if self.truncated => ", truncated".to_owned(),
            Some("NOERROR") if self.answers == 0 => ", no data".to_owned(),
            Some("NOERROR") | None => String::new(),
            Some(status) => format!(", {status}"),
        };
        let lead = reply.length.as_ref().map_or_else(String::new, |length| format!("[{length}] "));
        let head = format!("{from}: {} bytes{how}: {lead}", reply.bytes);
        // Each byte takes three columns, the last of them two; three are for the dots behind them.
        let fit = (COLUMNS.saturating_sub(head.chars().count() + 2) / 3).clamp(FEWEST_SHOWN, MOST_SHOWN);
        let starts: String = reply.first_bytes.chars().take(fit * 3 - 1).collect();
        format!("{head}{starts} ..")
    }
}

/// Prints a line. `missed` says how many were not: before a message since the last one, at the end in all.
fn print(line: &Line, json: bool, missed: u64) -> io::Result<()> {
    match line {
        Line::Message(message) if json => json_now("message", &**message, missed),
        Line::Summary(summary) if json => json_now("summary", summary, missed),
        Line::Message(message) => note_now(message.line(), missed),
        Line::Summary(Summary { udp, tcp, .. }) => {
            let lost = match missed {
                0 => String::new(),
                missed => format!(" ({missed} not shown: nobody read the lines in time)"),
            };
            print_now(format_args!("messages received: {udp} over UDP, {tcp} over TCP{lost}"))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A long name's beginning, so that the line stays one.
fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(MAX_NAME - 2).collect();
    format!("{kept}..")
}

/// Lines that wait for a slow reader: some 700 bytes each at worst (the longest name), 180 KiB in all.
const QUEUE_LINES: usize = 256;

/// First bytes of a message in the JSON: a DNS header is so long.
const SHOWN: usize = 12;

/// First bytes of a reply in a line: its id at least, its flags and the number of its questions where there is room.
const FEWEST_SHOWN: usize = 2;
const MOST_SHOWN: usize = 6;

/// Columns of a line, and of a name in it.
const COLUMNS: usize = 80;
const MAX_NAME: usize = 18;

/// How often the end tries to put its line behind the others.
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
    fn a_line_shows_the_message_with_its_length_in_front_over_tcp_alone() {
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
    fn a_line_says_what_is_no_answer_and_stays_one_line() {
        let no_data = message(Transport::Udp, &["64801", "txt", "test"]).line();
        let refused = message(Transport::Tcp, &[&"x".repeat(60), "example"]).line();

        assert!(no_data.contains("no data"), "{no_data}");
        assert!(refused.contains("REFUSED") && refused.contains("xxx.."), "{refused}");
        assert!(no_data.chars().count() <= 80 && refused.chars().count() <= 80, "{refused}");
    }

    #[test]
    fn a_stalled_reader_costs_lines_and_not_the_answerer() {
        // A channel whose other end takes nothing, as while the terminal is held.
        let (sender, _held) = mpsc::sync_channel(2);
        let (_done, finished) = mpsc::channel();
        let log = Log { sender, counts: Arc::default(), finished };
        let seen = log.listener();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));

        for _ in 0..5 {
            seen(&Exchange { transport: Transport::Udp, peer, query: b"junk", reply: None });
        }

        assert_eq!((log.counts.udp.load(Relaxed), log.counts.missed.load(Relaxed)), (5, 3));
    }
}
