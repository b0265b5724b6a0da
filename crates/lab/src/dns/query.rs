//! Decodes a query: its question, and its client's EDNS options (RFC 6891).
//!
//! A query has one question, only additional records, and at most one OPT record. Anything else is [`Malformed`] and gets the
//! reply FORMERR without a copy of its content, so that a larger query does not cause a larger reply.

use super::message::{Header, MAX_LABEL, MessageReader, Question};
use super::zone;

/// A query that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) header: Header,
    pub(super) question: Question<'a>,
    pub(super) edns: Option<Edns<'a>>,
}

/// A query that cannot be answered. The reply is FORMERR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Query<'a> {
    /// Decodes `message`, whose `header` is that of a query with opcode QUERY.
    pub(super) fn read(header: Header, message: &'a [u8]) -> Result<Query<'a>, Malformed> {
        // The counts first: that is cheap, and a message that claims 8,000 questions is not decoded any further.
        if header.questions != 1
            || header.answers != 0
            || header.authorities > 1
            || header.additional > MAX_ADDITIONAL
        {
            return Err(Malformed);
        }
        let mut reader = MessageReader::after_header(message);
        let question = reader.question().ok_or(Malformed)?;
        // Only an incremental transfer has an authority record, with the version it already has (RFC 1995, section 3).
        if header.authorities > 0 && question.kind != INCREMENTAL_TRANSFER {
            return Err(Malformed);
        }
        if header.authorities > 0 {
            reader.record().ok_or(Malformed)?;
        }
        let mut edns = None;
        for _ in 0..header.additional {
            let record = reader.record().ok_or(Malformed)?;
            if record.kind != OPT {
                continue;
            }
            if edns.is_some() || !record.is_root {
                return Err(Malformed);
            }
            let [_, version, ..] = record.ttl.to_be_bytes();
            edns = Some(Edns { size: record.class, version, cookie: cookie(record.data)? });
        }
        Ok(Query { header, question, edns })
    }
}

/// A query for the TXT records of `name`; `edns` is the datagram size that the client accepts. Labels are truncated to 63
/// bytes.
pub(crate) fn write(id: u16, name: &str, edns: Option<u16>) -> Vec<u8> {
    let words = |words: &[u16]| words.iter().copied().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let mut query = words(&[id, 0, 1, 0, 0, u16::from(edns.is_some())]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).unwrap_or(u8::MAX).min(MAX_LABEL);
        query.push(length);
        query.extend(label.bytes().take(length.into()));
    }
    query.push(0);
    query.extend(words(&[zone::TXT, zone::INTERNET]));
    if let Some(size) = edns {
        query.push(0);
        query.extend(words(&[OPT, size, 0, 0, 0]));
    }
    query
}

/// The content of an OPT record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edns<'a> {
    /// The largest datagram that the client accepts.
    pub(super) size: u16,
    pub(super) version: u8,
    pub(super) cookie: Option<Cookie<'a>>,
}

/// A cookie, which verifies the client's address (RFC 7873).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cookie<'a> {
    /// The client's half, to be returned to it.
    pub(super) client: [u8; 8],
    /// The server's half from an earlier reply; empty if there was none.
    pub(super) server: &'a [u8],
}

/// The first cookie among the options of an OPT record.
fn cookie(options: &[u8]) -> Result<Option<Cookie<'_>>, Malformed> {
    let mut rest = options;
    let mut found = None;
    while let Some((head, behind)) = rest.split_first_chunk::<4>() {
        let [kind_high, kind_low, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data = behind.get(..length).ok_or(Malformed)?;
        rest = &behind[length..];
        if u16::from_be_bytes([kind_high, kind_low]) == COOKIE && found.is_none() {
            let (client, server) = data.split_first_chunk().ok_or(Malformed)?;
            if !server.is_empty() && !(MIN_SERVER_COOKIE..=MAX_SERVER_COOKIE).contains(&server.len()) {
                return Err(Malformed);
            }
            found = Some(Cookie { client: *client, server });
        }
    }
    if rest.is_empty() { Ok(found) } else { Err(Malformed) }
}

/// The type of the record with the EDNS options, and the option for a cookie.
pub(super) const OPT: u16 = 41;
pub(super) const COOKIE: u16 = 10;

/// Maximum number of additional records of a query: its OPT, a signature, and some in reserve.
const MAX_ADDITIONAL: u16 = 16;

/// The query type for the changes of a zone (IXFR).
const INCREMENTAL_TRANSFER: u16 = 251;

/// Bytes of a server's half of a cookie (RFC 7873, section 4).
const MIN_SERVER_COOKIE: usize = 8;
const MAX_SERVER_COOKIE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x04test\0\0\x01\0\x01";
    const RECORD: &[u8] = b"\x04test\0\0\x01\0\x01\0\0\0\0\0\x00";

    fn opt(options: &[u8]) -> Vec<u8> {
        [&b"\0\0\x29\x04\xd0\0\0\0\0\0"[..], &[options.len() as u8], options].concat()
    }

    fn read(counts: [u16; 4], body: &[&[u8]]) -> Result<Option<u16>, Malformed> {
        let counts: Vec<u8> = counts.into_iter().flat_map(u16::to_be_bytes).collect();
        let message = [&[0, 7, 1, 0], &counts[..], &body.concat()].concat();
        let header = Header::read(&message).unwrap();
        Query::read(header, &message).map(|query| query.edns.map(|edns| edns.size))
    }

    #[test]
    fn a_query_has_one_question_and_at_most_one_opt_record() {
        let opt = &opt(&[])[..];

        assert_eq!(read([1, 0, 0, 0], &[QUESTION]), Ok(None));
        assert_eq!(read([1, 0, 0, 1], &[QUESTION, opt]), Ok(Some(1232)));
        assert_eq!(read([1, 0, 0, 2], &[QUESTION, RECORD, opt]), Ok(Some(1232)));
        for (counts, body) in [
            ([0, 0, 0, 0], &[][..]),
            ([0, 0, 0, 1], &[opt]),
            ([2, 0, 0, 0], &[QUESTION, QUESTION]),
            ([8000, 0, 0, 0], &[QUESTION]),
            ([1, 1, 0, 0], &[QUESTION, RECORD]),
            ([1, 0, 1, 0], &[QUESTION, RECORD]),
            ([1, 0, 0, 2], &[QUESTION, opt, opt]),
            ([1, 0, 0, 1], &[QUESTION]),
            ([1, 0, 0, 1], &[QUESTION, b"\x04test", opt]),
            ([1, 0, 0, 65_535], &[QUESTION, opt]),
            ([1, 0, 0, 17], &[QUESTION, &RECORD.repeat(17)]),
        ] {
            assert_eq!(read(counts, body), Err(Malformed), "{counts:?}");
        }
    }

    #[test]
    fn a_cookie_of_a_wrong_length_is_malformed() {
        let ask = |length: u8| {
            read([1, 0, 0, 1], &[QUESTION, &opt(&[vec![0, 10, 0, length], vec![1; length.into()]].concat())])
        };

        for (length, is_right) in
            [(0, false), (7, false), (8, true), (9, false), (15, false), (16, true), (40, true), (41, false)]
        {
            assert_eq!(ask(length).is_ok(), is_right, "{length} bytes");
        }
        assert_eq!(
            read([1, 0, 0, 1], &[QUESTION, &opt(&[0, 3, 0, 9, 1])]),
            Err(Malformed),
            "an option that is cut short"
        );
    }
}
