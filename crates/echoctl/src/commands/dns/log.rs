//! The log of `echoctl dns`: one line per message, as JSON on stdout or as text on stderr.
//!
//! The server's tasks call it, so it never waits for a reader: what a slow one misses is counted (see [`output`]).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use echoctl_lab::dns::{Exchange, Transport};
use echoctl_record::SCHEMA_VERSION;
use serde::Serialize;
use serde_json::json;

use crate::output::{self, ignore_broken_pipe, json_line, offer_json, offer_note};

/// Prints messages, and counts them by transport.
pub(super) struct Log {
    format: Format,
    udp: AtomicU64,
    tcp: AtomicU64,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line on stdout.
    Json,
    /// One line per message on stderr.
    Text,
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

impl Log {
    pub(super) fn new(format: Format) -> Log {
        Log { format, udp: AtomicU64::new(0), tcp: AtomicU64::new(0) }
    }

    /// Counts a message and prints it. It never waits.
    pub(super) fn record(&self, exchange: &Exchange) {
        let of_its_kind = match exchange.transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
        };
        of_its_kind.fetch_add(1, Relaxed);
        let message = Message::of(exchange);
        match self.format {
            // An error means that the reader has gone, which ends the server: see `run`.
            Format::Json => drop(offer_json("message", &message)),
            Format::Text => offer_note(message.line()),
        }
    }

    /// Prints the totals and waits until they are written. It is not an error if the reader has gone.
    ///
    /// # Errors
    /// If they cannot be written for another reason.
    pub(super) fn finish(&self) -> io::Result<()> {
        let (udp, tcp) = (self.udp.load(Relaxed), self.tcp.load(Relaxed));
        ignore_broken_pipe(match self.format {
            Format::Json => {
                json_line("summary", &json!({ "schema_version": SCHEMA_VERSION, "udp": udp, "tcp": tcp }))
            }
            Format::Text => {
                output::flush_notes();
                let missed = output::missed_notes();
                output::print(format_args!("messages received: {udp} over UDP, {tcp} over TCP{missed}"))
            }
        })
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

/// Number of a message's first bytes in the JSON output: the length of a DNS header.
const SHOWN: usize = 12;

/// Number of a reply's first bytes in a line: at least its id, also its flags and number of questions if they fit.
const FEWEST_SHOWN: usize = 2;
const MOST_SHOWN: usize = 6;

/// Maximum columns of a line, and of a name in it.
const COLUMNS: usize = 80;
const MAX_NAME: usize = 18;

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
}
