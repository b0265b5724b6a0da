//! A query and its reply, for display.
//!
//! The messages are without the length prefixes that they have over TCP: see [`Exchange::length_prefix`]. A message is decoded
//! only on request.

use std::net::SocketAddr;

use super::message::{Header, MessageReader};
use super::query::OPT;
use super::reply::{self, TRUNCATED};

/// One query and its reply.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The transport of both.
    pub transport: Transport,
    /// The client's address.
    pub peer: SocketAddr,
    /// The query's bytes.
    pub query: &'a [u8],
    /// The reply's bytes; `None` if the input was not a DNS query, which gets no reply.
    pub reply: Option<&'a [u8]>,
}

/// How a message is transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// In a stream, prefixed with its length.
    Tcp,
}

impl Transport {
    /// `UDP` or `TCP`.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// The status of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The response code, as `dig` writes it: `NOERROR`, `REFUSED`.
    pub status: &'static str,
    /// Number of records in the answer section.
    pub records: usize,
    /// Whether TC is set: the client should retry over TCP.
    pub is_truncated: bool,
}

impl Exchange<'_> {
    /// The name and the type of the question, if there is exactly one. Unprintable bytes of the name are written as `\ddd`, as
    /// `dig` does: a name may contain any byte, including escape sequences for terminals.
    pub fn question(&self) -> Option<(String, String)> {
        Header::read(self.query).filter(|header| header.questions == 1)?;
        let question = MessageReader::after_header(self.query).question()?;
        let labels: Vec<String> = question.labels().map(printable).collect();
        let name = if labels.is_empty() { ".".to_owned() } else { labels.join(".") };
        Some((name, type_name(question.kind)))
    }

    /// The status of the reply; `None` without a reply.
    pub fn answer(&self) -> Option<Answer> {
        Answer::read(self.reply?)
    }

    /// The length prefix of `message` over TCP; `None` over UDP.
    pub fn length_prefix(&self, message: &[u8]) -> Option<[u8; 2]> {
        match self.transport {
            Transport::Udp => None,
            Transport::Tcp => u16::try_from(message.len()).ok().map(u16::to_be_bytes),
        }
    }
}

impl Answer {
    /// Decodes the status of `reply`, which may be hostile: `None` if it is not a reply, or is cut short.
    pub fn read(reply: &[u8]) -> Option<Answer> {
        let header = Header::read(reply).filter(|header| header.is_response())?;
        let mut reader = MessageReader::after_header(reply);
        for _ in 0..header.questions {
            reader.question()?;
        }
        let mut status = header.flags & 15;
        for _ in 0..header.records() {
            let record = reader.record()?;
            if record.kind == OPT && record.is_root {
                let [high, ..] = record.ttl.to_be_bytes();
                status |= u16::from(high) << 4;
            }
        }
        Some(Answer {
            status: status_name(status),
            records: header.answers.into(),
            is_truncated: header.flags & TRUNCATED != 0,
        })
    }
}

/// A label as `dig` writes it: a dot inside it is escaped, and other unprintable bytes are written as numbers.
fn printable(label: &[u8]) -> String {
    let written = |&byte: &u8| match byte {
        b'.' | b'\\' => format!("\\{}", char::from(byte)),
        _ if byte.is_ascii_graphic() => char::from(byte).to_string(),
        _ => format!("\\{byte:03}"),
    };
    label.iter().map(written).collect()
}

/// The name of a common type; others are `TYPE` and their number (RFC 3597, section 5).
fn type_name(kind: u16) -> String {
    let name = match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        43 => "DS",
        48 => "DNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        _ => return format!("TYPE{kind}"),
    };
    name.to_owned()
}

/// The name of a status. This server sends no others.
const fn status_name(status: u16) -> &'static str {
    match status {
        reply::NOERROR => "NOERROR",
        reply::FORMERR => "FORMERR",
        reply::SERVFAIL => "SERVFAIL",
        3 => "NXDOMAIN",
        reply::NOTIMP => "NOTIMP",
        reply::REFUSED => "REFUSED",
        reply::BADVERS => "BADVERS",
        reply::BADCOOKIE => "BADCOOKIE",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::reply;

    /// A query for a TXT record of `name`, its labels written by hand: they may hold any byte.
    fn query(labels: &[&[u8]]) -> Vec<u8> {
        let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            query.push(label.len() as u8);
            query.extend_from_slice(label);
        }
        query.extend([0, 0, 16, 0, 1]);
        query
    }

    fn exchange<'a>(transport: Transport, query: &'a [u8], reply: Option<&'a [u8]>) -> Exchange<'a> {
        Exchange { transport, peer: SocketAddr::from(([127, 0, 0, 1], 9)), query, reply }
    }

    #[test]
    fn an_exchange_has_its_question_and_answer() {
        let query = query(&[b"4000", b"txt", b"test"]);
        let (short, long) =
            (reply(&query, Transport::Udp, 0).unwrap(), reply(&query, Transport::Tcp, 0).unwrap());
        let over_udp = exchange(Transport::Udp, &query, Some(&short));
        let over_tcp = exchange(Transport::Tcp, &query, Some(&long));

        assert_eq!(over_udp.question(), Some(("4000.txt.test".to_owned(), "TXT".to_owned())));
        let truncated = Answer { status: "NOERROR", records: 0, is_truncated: true };
        assert_eq!(over_udp.answer(), Some(truncated));
        assert_eq!(over_tcp.answer(), Some(Answer { records: 1, is_truncated: false, ..truncated }));
        assert_eq!(over_udp.length_prefix(&short), None);
        assert_eq!(over_tcp.length_prefix(&long), Some((long.len() as u16).to_be_bytes()));
    }

    #[test]
    fn names_contain_no_escape_sequences() {
        let query = query(&[b"\x1b[2J \n", b"a.b\\\xff", b"test"]);

        let (name, _) = exchange(Transport::Udp, &query, None).question().unwrap();

        assert!(name.chars().all(|c| c.is_ascii_graphic()), "{name:?}");
        assert_eq!(name, "\\027[2J\\032\\010.a\\.b\\\\\\255.test");
    }

    #[test]
    fn junk_has_neither_question_nor_answer() {
        let junk = exchange(Transport::Udp, b"junk", None);

        assert_eq!((junk.question(), junk.answer()), (None, None));
    }
}
