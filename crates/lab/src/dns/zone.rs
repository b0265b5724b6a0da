//! The zone `test.`, which has every name: what each question is answered with, as bytes for a record.

use super::message::Question;

/// What the zone has for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// One record of the name asked for.
    Data { kind: u16, data: Vec<u8> },
    /// The name exists, as every name of the zone does, but this type of it does not: no error, no answer, and the zone's
    /// SOA beside it, by which the asker knows that this is the whole truth (RFC 2308, section 2.2).
    NoData,
    /// Not this zone, not this class, or a transfer of the zone.
    Refused,
    /// A type that no record has and that is asked for by mistake, as OPT.
    Malformed,
    /// A type that asks for several others and went out of use before 1990.
    NotImplemented,
}

/// What the zone answers.
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

/// The data of the zone's SOA. Nobody copies this zone, and nobody is to keep what it says: all times are 0 but those that
/// are for copies, which are what RIPE-203 recommends.
pub(super) fn start_of_authority() -> Vec<u8> {
    let [serial, refresh, retry, expire] = [1, 86_400, 7_200, 3_600_000];
    let numbers = [serial, refresh, retry, expire, TTL_SECONDS].into_iter().flat_map(u32::to_be_bytes);
    NAME_SERVER.iter().chain(b"\x0ahostmaster\x04test\0").copied().chain(numbers).collect()
}

/// The length in `4000.txt.test`, or `None` for other names.
fn text_length(labels: &[&[u8]]) -> Option<usize> {
    let [length, kind, _] = labels else { return None };
    if !kind.eq_ignore_ascii_case(b"txt") || !length.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number too large for the machine is still a length: one that no message can hold.
    Some(std::str::from_utf8(length).ok()?.parse().unwrap_or(usize::MAX))
}

/// A text of `length` bytes: the alphabet again and again.
fn text(length: usize) -> Vec<u8> {
    strings(&(b'a'..=b'z').cycle().take(length).collect::<Vec<u8>>())
}

/// A text as TXT wants it: one or more strings of at most 255 bytes, each led by its length.
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

/// The zone, as its one label.
pub(super) const ZONE: &[u8] = b"test";

/// The name of its server: like every name in it, it has the addresses 127.0.0.1 and ::1.
const NAME_SERVER: &[u8] = b"\x02ns\x04test\0";

/// The most bytes in one string of a TXT record: its length has one byte.
const MAX_STRING: u8 = 255;

/// The longest text that fits in a message over TCP with the longest name in front, each string led by its length.
pub(super) const MAX_TEXT: usize = 64_800;

/// Names for experiments change with the experiment: no resolver should keep them.
pub(super) const TTL_SECONDS: u32 = 0;

/// The class of the Internet; 255 is any class, and also any type.
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
