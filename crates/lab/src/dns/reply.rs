//! Builds the reply to one query, within the size limits of its transport.
//!
//! UDP carries datagrams of up to 65,507 bytes, but two other limits are lower. The client advertises the largest datagram that
//! it accepts (EDNS, RFC 6891; 512 bytes without EDNS). And the sender's address of a UDP query may be forged: to protect the
//! owner of that address from a flood of replies, a client gets at most [`MAX_UNVERIFIED`] bytes, about 30 times its query,
//! until it has verified its address by returning a cookie (RFC 7873). A larger reply is replaced by an empty message with the
//! flag TC (truncated). The client then retries over TCP, where the two-byte length prefix allows 65,535 bytes.
//!
//! | query | reply |
//! |---|---|
//! | shorter than a header, or itself a reply | none: two servers must not answer each other for ever |
//! | an opcode other than QUERY | NOTIMP, only a header |
//! | not exactly one question, cut short, two OPT records | FORMERR, only a header |
//! | an EDNS version above 0 | BADVERS |
//! | another zone or class, a transfer | REFUSED |

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Transport;
use super::message::{HEADER, Header, OPCODE, RESPONSE};
use super::query::{COOKIE, Cookie, OPT, Query};
use super::zone::{self, Lookup};

/// The reply to `query`, or `None` if it is not a DNS message or is itself a reply. It has at most 65,535 bytes over TCP. Over
/// UDP it has at most 512, or the size that the query advertises, up to 1,232 (4,096 for a client with a valid cookie).
///
/// `secret` must depend on the server and the client's address. Cookies are made from it, so only a client that has received
/// one at its address can return it. The time is proportional to the bytes of the query, and the reply depends only on the
/// arguments.
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

/// A reply that consists only of a header, to a message that is not or cannot be decoded.
fn header_only(header: Header, status: u16) -> Vec<u8> {
    let flags = RESPONSE | header.flags & (OPCODE | RECURSION_DESIRED) | status;
    [header.id, flags, 0, 0, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

fn answer(query: &Query, transport: Transport, secret: u64) -> Vec<u8> {
    let draft = Draft::new(query, secret);
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return draft.finish(BADVERS);
    }
    let complete = match zone::find(query.question) {
        Lookup::Data { kind, data } => draft.answer(kind, &data),
        Lookup::NoData => draft.no_data(),
        Lookup::Refused => return draft.finish(REFUSED),
        Lookup::Malformed => return header_only(query.header, FORMERR),
        Lookup::NotImplemented => return draft.finish(NOTIMP),
    };
    let requested = query.edns.map_or(0, |edns| usize::from(edns.size)).max(DEFAULT_SIZE);
    let cookie = query.edns.and_then(|edns| edns.cookie);
    let max = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp if cookie.is_some_and(|cookie| is_ours(cookie, secret)) => requested.min(MAX_VERIFIED),
        Transport::Udp => requested.min(MAX_UNVERIFIED),
    };
    match complete {
        Some(complete) if complete.len() <= max => complete,
        // It would fit for a verified address: the client gets the cookie for that, and retries.
        Some(complete)
            if cookie.is_some() && (max + 1..=requested.min(MAX_VERIFIED)).contains(&complete.len()) =>
        {
            Draft::new(query, secret).finish(BADCOOKIE)
        }
        _ if transport == Transport::Tcp => Draft::new(query, secret).finish(SERVFAIL),
        _ => Draft { flags: AUTHORITATIVE | TRUNCATED, ..Draft::new(query, secret) }.finish(NOERROR),
    }
}

/// A reply that is being built. Its question is a copy of the query's.
struct Draft<'a> {
    query: &'a Query<'a>,
    /// The cookie for the client's next query.
    cookie: Option<[u8; 16]>,
    flags: u16,
    /// Number of records in the answer and in the authority section, and their bytes.
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

    /// A reply with one record of the requested name; `None` if its data exceeds a record.
    fn answer(mut self, kind: u16, data: &[u8]) -> Option<Vec<u8>> {
        (self.flags, self.counts) = (AUTHORITATIVE, [1, 0]);
        self.record(&THE_NAME_ASKED_FOR, kind, data)?;
        Some(self.finish(NOERROR))
    }

    /// A reply without an answer, with the zone's SOA.
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

    /// The message. A status above 15 has its upper bits in the OPT record; only queries with an OPT record get one.
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

/// Whether the client has returned the cookie that it received at its address.
fn is_ours(cookie: Cookie, secret: u64) -> bool {
    cookie.server == server_cookie(cookie, secret)
}

/// The server's half of a cookie: a keyed hash of the client's half (RFC 7873, appendix B, prescribes no specific one).
fn server_cookie(cookie: Cookie, secret: u64) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    (secret, cookie.client).hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

/// A name that is a pointer to the one after the header.
const THE_NAME_ASKED_FOR: [u8; 2] = [0xc0, HEADER as u8];

/// The largest datagram that a client without EDNS accepts (RFC 1035, section 4.2.1).
const DEFAULT_SIZE: usize = 512;

/// The largest datagram for an address that may be forged. It passes practically every network unfragmented (DNS flag day
/// 2020), and is about 30 times as long as the shortest query.
pub const MAX_UNVERIFIED: usize = 1232;

/// The largest datagram for a client with a valid cookie: TCP is better for more (RFC 6891, section 6.2.5).
const MAX_VERIFIED: usize = 4096;

/// The datagram size that this server advertises in EDNS.
const OUR_SIZE: u16 = 1232;

/// Bytes of an OPT record with a cookie.
const MAX_OPT: usize = 31;

/// The opcode of a standard query.
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
