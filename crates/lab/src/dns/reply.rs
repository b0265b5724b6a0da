//! The reply to one query, and who decides that it is too large.
//!
//! UDP carries datagrams of up to 65,507 bytes. A reply over UDP is cut shorter than that for two other reasons: the
//! asker says how large a datagram it is ready for (EDNS, RFC 6891; 512 bytes if it says nothing), and whoever asks over
//! UDP can write any sender's address on the query. So that a stranger cannot be flooded with replies in this way, an
//! asker gets at most [`MAX_UNVERIFIED`] bytes, some 30 times its query, until it has proved its address by giving back a cookie
//! (RFC 7873). What is larger is answered by an empty message with the flag TC, truncated. The asker then asks again over
//! TCP, where the limit is that of a length in two bytes: 65,535.
//!
//! | query | reply |
//! |---|---|
//! | less than a header, or itself a reply | none: two servers must not answer each other for ever |
//! | another opcode than QUERY | NOTIMP, a header |
//! | not exactly one question, cut off, two OPT records | FORMERR, a header |
//! | EDNS of a version above 0 | BADVERS |
//! | another zone or class, a transfer | REFUSED |

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Transport;
use super::message::{HEADER, Header, OPCODE, RESPONSE};
use super::query::{COOKIE, Cookie, OPT, Query};
use super::zone::{self, Lookup};

/// The reply to `query`, or `None` where it deserves none: it is no DNS message, or is itself a reply. It has at most 65,535
/// bytes over TCP, and at most 512 over UDP, or what the query allows up to 1,232 (4,096 for an asker with a cookie).
///
/// `secret` stands for this server and the asker's address: cookies are made from it, and only an asker who has received
/// one knows what it was. The time is in proportion to the bytes of the query, and the reply depends on nothing else.
pub fn reply(query: &[u8], transport: Transport, secret: u64) -> Option<Vec<u8>> {
    let header = Header::read(query)?;
    if header.is_response() {
        return None;
    }
    if header.opcode() != QUERY {
        return Some(header_only(header, NOTIMP));
    }
    match Query::read(header, query) {
        Err(_) => Some(header_only(header, FORMERR)),
        Ok(query) => Some(answer(&query, transport, secret)),
    }
}

/// A reply that is a header alone, of a message whose content was not, or cannot be, understood.
fn header_only(header: Header, status: u16) -> Vec<u8> {
    let flags = RESPONSE | header.flags & (OPCODE | RECURSION_DESIRED) | status;
    [header.id, flags, 0, 0, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

fn answer(query: &Query, transport: Transport, secret: u64) -> Vec<u8> {
    let draft = Draft::new(query, secret);
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return draft.finish(BADVERS);
    }
    let whole = match zone::find(query.question) {
        Lookup::Data { kind, data } => draft.answer(kind, &data),
        Lookup::NoData => draft.no_data(),
        Lookup::Refused => return draft.finish(REFUSED),
        Lookup::Malformed => return header_only(query.header, FORMERR),
        Lookup::NotImplemented => return draft.finish(NOTIMP),
    };
    let requested = query.edns.map_or(0, |edns| usize::from(edns.size)).max(DEFAULT_SIZE);
    let cookie = query.edns.and_then(|edns| edns.cookie);
    let most = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp if cookie.is_some_and(|cookie| is_ours(cookie, secret)) => requested.min(MAX_VERIFIED),
        Transport::Udp => requested.min(MAX_UNVERIFIED),
    };
    match whole {
        Some(whole) if whole.len() <= most => whole,
        // It fits if only the address is proved: the asker is told the cookie to do so with, and asks again.
        Some(whole)
            if cookie.is_some() && (most + 1..=requested.min(MAX_VERIFIED)).contains(&whole.len()) =>
        {
            Draft::new(query, secret).finish(BADCOOKIE)
        }
        _ if transport == Transport::Tcp => Draft::new(query, secret).finish(SERVFAIL),
        _ => Draft { flags: AUTHORITATIVE | TRUNCATED, ..Draft::new(query, secret) }.finish(NOERROR),
    }
}

/// A reply under way. Its question is that of the query, byte for byte.
struct Draft<'a> {
    query: &'a Query<'a>,
    /// What the asker is to give back next time.
    cookie: Option<[u8; 16]>,
    flags: u16,
    /// Records in the answer and in the authority section, and their bytes.
    counts: [u16; 2],
    records: Vec<u8>,
}

impl<'a> Draft<'a> {
    fn new(query: &'a Query, secret: u64) -> Draft<'a> {
        let cookie = query.edns.and_then(|edns| edns.cookie).map(|cookie| {
            let mut both = [0; 16];
            both[..8].copy_from_slice(&cookie.client);
            both[8..].copy_from_slice(&server_cookie(cookie, secret));
            both
        });
        Draft { query, cookie, flags: 0, counts: [0, 0], records: Vec::new() }
    }

    /// With one record of the name asked for; `None` when its data is longer than a record's may be.
    fn answer(mut self, kind: u16, data: &[u8]) -> Option<Vec<u8>> {
        (self.flags, self.counts) = (AUTHORITATIVE, [1, 0]);
        self.record(&THE_NAME_ASKED_FOR, kind, data)?;
        Some(self.finish(NOERROR))
    }

    /// Without an answer, and with the zone's SOA.
    fn no_data(mut self) -> Option<Vec<u8>> {
        (self.flags, self.counts) = (AUTHORITATIVE, [0, 1]);
        self.record(b"\x04test\0", zone::SOA, &zone::start_of_authority())?;
        Some(self.finish(NOERROR))
    }

    fn record(&mut self, name: &[u8], kind: u16, data: &[u8]) -> Option<()> {
        let length = u16::try_from(data.len()).ok()?;
        self.records.extend_from_slice(name);
        self.records.extend([kind, zone::INTERNET].into_iter().flat_map(u16::to_be_bytes));
        self.records.extend(zone::TTL_SECONDS.to_be_bytes());
        self.records.extend(length.to_be_bytes());
        self.records.extend_from_slice(data);
        Some(())
    }

    /// The message. A status above 15 has its upper bits in the OPT record, which is there because such a status answers
    /// one.
    fn finish(self, status: u16) -> Vec<u8> {
        let Header { id, flags, .. } = self.query.header;
        let asked = self.query.question.raw;
        let [low, high] = [status & 15, status >> 4];
        let flags = RESPONSE | flags & (RECURSION_DESIRED | CHECKING_DISABLED) | self.flags | low;
        let [answers, authorities] = self.counts;
        let additional = u16::from(self.query.edns.is_some());
        let mut message = Vec::with_capacity(HEADER + asked.len() + self.records.len() + MAX_OPT);
        message
            .extend([id, flags, 1, answers, authorities, additional].into_iter().flat_map(u16::to_be_bytes));
        message.extend_from_slice(asked);
        message.extend(self.records);
        if self.query.edns.is_some() {
            message.push(0); // the root
            message.extend([OPT, OUR_SIZE, high << 8, 0].into_iter().flat_map(u16::to_be_bytes));
            match self.cookie {
                Some(cookie) => {
                    message.extend([20, COOKIE, 16].into_iter().flat_map(u16::to_be_bytes));
                    message.extend(cookie);
                }
                None => message.extend([0, 0]),
            }
        }
        message
    }
}

/// Whether the asker has given back the cookie that it can only know by having received it at its address.
fn is_ours(cookie: Cookie, secret: u64) -> bool {
    cookie.server == server_cookie(cookie, secret)
}

/// This server's half of a cookie: a keyed hash of the other half (RFC 7873, appendix B, asks for no certain one).
fn server_cookie(cookie: Cookie, secret: u64) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    (secret, cookie.client).hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

/// A name that is a pointer to the one behind the header.
const THE_NAME_ASKED_FOR: [u8; 2] = [0xc0, HEADER as u8];

/// The largest datagram that an asker without EDNS is ready for (RFC 1035, section 4.2.1).
const DEFAULT_SIZE: usize = 512;

/// The largest datagram for an address that may be forged. It passes practically every network in one piece (DNS flag
/// day 2020), and is some 30 times the shortest query that it answers.
pub const MAX_UNVERIFIED: usize = 1232;

/// The largest datagram for an asker with a cookie: more is better asked for over TCP (RFC 6891, section 6.2.5).
const MAX_VERIFIED: usize = 4096;

/// What this server says of itself in EDNS.
const OUR_SIZE: u16 = 1232;

/// Bytes of an OPT record with a cookie in it.
const MAX_OPT: usize = 31;

/// The kind of query that is a question.
const QUERY: u16 = 0;

/// Flags.
const AUTHORITATIVE: u16 = 0x0400;
pub(super) const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const CHECKING_DISABLED: u16 = 0x0010;

/// Statuses (the registry is that of RFC 6895).
pub(super) const NOERROR: u16 = 0;
pub(super) const FORMERR: u16 = 1;
pub(super) const SERVFAIL: u16 = 2;
pub(super) const NOTIMP: u16 = 4;
pub(super) const REFUSED: u16 = 5;
pub(super) const BADVERS: u16 = 16;
pub(super) const BADCOOKIE: u16 = 23;
