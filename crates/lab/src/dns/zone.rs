//! The zone `test.`, in which every name exists: the answer to each question, as a record's data.

use super::message::Question;

/// The result of looking up a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// One record of the requested name.
    Data { kind: u16, data: Vec<u8> },
    /// The name exists, but not this type of it: no error and no answer, with the zone's SOA, so that the client knows that
    /// the reply is complete (RFC 2308, section 2.2).
    NoData,
    /// Another zone, another class, or a transfer of the zone.
    Refused,
    /// A type that cannot be queried, such as OPT.
    Malformed,
    /// An obsolete type that stands for several others.
    NotImplemented,
}

/// Looks up a question.
pub(super) fn find(question: Question) -> Lookup {
    let labels: Vec<&[u8]> = question.labels().collect();
    let is_ours = labels.last().is_some_and(|zone| zone.eq_ignore_ascii_case(ZONE));
    if !is_ours || ![INTERNET, ANY].contains(&question.class) {
        return Lookup::Refused;
    }
    let is_apex = labels.len() == 1;
    let (kind, data) = match question.kind {
        A | ANY => (A, vec![127, 0, 0, 1]),
        AAAA => (AAAA, std::net::Ipv6Addr::LOCALHOST.octets().to_vec()),
        SOA if is_apex => (SOA, start_of_authority()),
        NS if is_apex => (NS, NAME_SERVER.to_vec()),
        TXT => match text_length(&labels) {
            Some(length) if length > MAX_TEXT => return Lookup::NoData,
            Some(length) => (TXT, text(length)),
            None => (TXT, strings(b"ask for 4000.txt.test: the number is the length")),
        },
        IXFR | AXFR => return Lookup::Refused,
        MAILB | MAILA => return Lookup::NotImplemented,
        0 | OPT | TKEY | TSIG => return Lookup::Malformed,
        _ => return Lookup::NoData,
    };
    Lookup::Data { kind, data }
}

/// The data of the zone's SOA. The answers must not be cached, so the minimum TTL is 0. The times for secondary servers, which
/// this zone does not have, are those that RIPE-203 recommends.
pub(super) fn start_of_authority() -> Vec<u8> {
    let [serial, refresh, retry, expire] = [1, 86_400, 7_200, 3_600_000];
    let numbers = [serial, refresh, retry, expire, TTL_SECONDS].into_iter().flat_map(u32::to_be_bytes);
    NAME_SERVER.iter().chain(b"\x0ahostmaster\x04test\0").copied().chain(numbers).collect()
}

/// The number in `4000.txt.test`, or `None` for other names.
fn text_length(labels: &[&[u8]]) -> Option<usize> {
    let [length, kind, _] = labels else { return None };
    if !kind.eq_ignore_ascii_case(b"txt") || !length.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number that overflows is still a length: one that exceeds any message.
    Some(std::str::from_utf8(length).ok()?.parse().unwrap_or(usize::MAX))
}

/// A text of `length` bytes: the alphabet, repeated.
fn text(length: usize) -> Vec<u8> {
    strings(&(b'a'..=b'z').cycle().take(length).collect::<Vec<u8>>())
}

/// A text as the data of a TXT record: one or more strings of at most 255 bytes, each prefixed with its length.
fn strings(text: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(text.len() + text.len() / usize::from(MAX_STRING) + 1);
    let mut rest = text;
    loop {
        let length = u8::try_from(rest.len()).unwrap_or(MAX_STRING);
        let (string, behind) = rest.split_at(length.into());
        data.push(length);
        data.extend_from_slice(string);
        rest = behind;
        if rest.is_empty() {
            return data;
        }
    }
}

/// The only label of the zone's name.
pub(super) const ZONE: &[u8] = b"test";

/// The name of its server, with the addresses 127.0.0.1 and ::1 like every name in the zone.
const NAME_SERVER: &[u8] = b"\x02ns\x04test\0";

/// Maximum bytes of one string of a TXT record, whose length has one byte.
const MAX_STRING: u8 = 255;

/// Bytes of the longest text that fits into a message over TCP together with the longest name and the strings' lengths.
pub(super) const MAX_TEXT: usize = 64_800;

/// Seconds for which resolvers may cache a record: 0, because names for experiments change with the experiment.
pub(super) const TTL_SECONDS: u32 = 0;

/// The Internet class, and the number that stands for any class and any type.
pub(super) const INTERNET: u16 = 1;
const ANY: u16 = 255;

/// Types (the registry is that of RFC 6895).
pub(super) const A: u16 = 1;
const NS: u16 = 2;
pub(super) const SOA: u16 = 6;
pub(super) const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const TKEY: u16 = 249;
const TSIG: u16 = 250;
const IXFR: u16 = 251;
const AXFR: u16 = 252;
const MAILB: u16 = 253;
const MAILA: u16 = 254;
