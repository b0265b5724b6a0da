//! An exchange: a query as it came and the reply as it went, for whoever wants to see the messages.
//!
//! The messages are told without the two bytes that lead each of them over TCP: [`Exchange::lead`] has these, or `None`
//! for a datagram, which needs no mark. What a message says is read from its bytes only when it is asked for.

use std::net::SocketAddr;

use simple_dns::{Packet, PacketFlag, RCODE};

/// One query and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// How both travelled.
    pub transport: Transport,
    /// Who asked.
    pub peer: SocketAddr,
    /// The query's bytes.
    pub query: &'a [u8],
    /// The reply's bytes; `None` where the query was no DNS query and has no reply.
    pub reply: Option<&'a [u8]>,
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A datagram, which is a message.
    Udp,
    /// A stream, where each message is led by its length.
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

/// What a reply says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The response code, as `dig` writes it: `NOERROR`, `REFUSED`.
    pub status: &'static str,
    /// Records in the answer.
    pub records: usize,
    /// Whether TC is set: the asker is to ask again over TCP.
    pub is_truncated: bool,
}

impl Exchange<'_> {
    /// The name and the type that were asked for. What is not printable in the name stands as `\ddd`, as in `dig`: a
    /// name may hold any byte, also such as would move the cursor of a terminal.
    pub fn question(&self) -> Option<(String, String)> {
        let query = Packet::parse(self.query).ok()?;
        let question = query.questions.first()?;
        let name: String = question.qname.to_string().chars().map(printable).collect();
        let name = if name.is_empty() { ".".to_owned() } else { name };
        let kind = match question.qtype {
            simple_dns::QTYPE::TYPE(kind) => format!("{kind:?}"),
            other => format!("{other:?}"),
        };
        Some((name, kind))
    }

    /// What the reply says; `None` where there is none.
    pub fn answer(&self) -> Option<Answer> {
        let reply = Packet::parse(self.reply?).ok()?;
        Some(Answer {
            status: status(reply.rcode()),
            records: reply.answers.len(),
            is_truncated: reply.has_flags(PacketFlag::TRUNCATION),
        })
    }

    /// The two bytes in front of `message` in a stream; `None` in a datagram.
    pub fn lead(&self, message: &[u8]) -> Option<[u8; 2]> {
        match self.transport {
            Transport::Udp => None,
            Transport::Tcp => u16::try_from(message.len()).ok().map(u16::to_be_bytes),
        }
    }
}

fn printable(c: char) -> String {
    if c.is_ascii_graphic() {
        return c.to_string();
    }
    c.to_string().bytes().map(|byte| format!("\\{byte:03}")).collect()
}

/// The name of a response code on the wire of today; others are not sent by this server.
const fn status(code: RCODE) -> &'static str {
    match code {
        RCODE::NoError => "NOERROR",
        RCODE::FormatError => "FORMERR",
        RCODE::NotImplemented => "NOTIMP",
        RCODE::Refused => "REFUSED",
        RCODE::BADVERS => "BADVERS",
        _ => "SERVFAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Limit, reply};

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
    fn an_exchange_says_what_was_asked_and_what_was_answered() {
        let query = query(&[b"4000", b"txt", b"test"]);
        let (short, long) = (reply(&query, Limit::Datagram).unwrap(), reply(&query, Limit::Stream).unwrap());
        let over_udp = exchange(Transport::Udp, &query, Some(&short));
        let over_tcp = exchange(Transport::Tcp, &query, Some(&long));

        assert_eq!(over_udp.question(), Some(("4000.txt.test".to_owned(), "TXT".to_owned())));
        let truncated = Answer { status: "NOERROR", records: 0, is_truncated: true };
        assert_eq!(over_udp.answer(), Some(truncated));
        assert_eq!(over_tcp.answer(), Some(Answer { records: 1, is_truncated: false, ..truncated }));
        assert_eq!(over_udp.lead(&short), None);
        assert_eq!(over_tcp.lead(&long), Some((long.len() as u16).to_be_bytes()));
    }

    #[test]
    fn a_name_cannot_move_the_cursor_of_a_terminal() {
        let query = query(&[b"\x1b[2J \n", b"test"]);

        let (name, _) = exchange(Transport::Udp, &query, None).question().unwrap();

        assert!(name.chars().all(|c| c.is_ascii_graphic()), "{name:?}");
        assert!(name.contains("\\027"), "{name}");
    }

    #[test]
    fn what_is_no_message_has_neither_question_nor_answer() {
        let junk = exchange(Transport::Udp, b"junk", None);

        assert_eq!((junk.question(), junk.answer()), (None, None));
    }
}
