//! The reply to one query, and who decides that it is too large.
//!
//! UDP carries datagrams of up to 65,507 bytes. A reply over UDP is cut shorter than that for another reason: the
//! asker says how large a datagram it is ready for (EDNS, RFC 6891; 512 bytes if it says nothing), and what is larger is
//! answered by an empty message with the flag TC, truncated. The asker then asks again over TCP, where the limit is that
//! of a length in two bytes: 65,535.

use simple_dns::rdata::{A, AAAA, NS, OPT, RData, SOA, TXT};
use simple_dns::{
    CLASS, CharacterString, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE,
};

/// How the reply travels, which limits its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A datagram: 512 bytes, or what the query's EDNS record allows.
    Datagram,
    /// A stream: 65,535 bytes, the most that a length in two bytes can tell.
    Stream,
}

/// The reply to `query`, or `None` where it deserves none: it is no DNS message, or is itself a reply.
pub fn reply(query: &[u8], limit: Limit) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    if query.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let mut reply = Packet::new_reply(query.id());
    *reply.opcode_mut() = query.opcode();
    if query.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    *reply.opt_mut() =
        query.opt().map(|_| OPT { opt_codes: Vec::new(), udp_packet_size: OUR_SIZE, version: 0 });
    reply.questions.clone_from(&query.questions);
    *reply.rcode_mut() = answer(&query, &mut reply);

    let bytes = reply.build_bytes_vec_compressed().ok()?;
    if bytes.len() <= most(&query, limit) {
        return Some(bytes);
    }
    reply.answers.clear();
    reply.name_servers.clear();
    reply.set_flags(PacketFlag::TRUNCATION);
    reply.build_bytes_vec_compressed().ok()
}

/// Puts the answers into `reply` and says how it went.
fn answer<'a>(query: &Packet<'a>, reply: &mut Packet<'a>) -> RCODE {
    if query.opcode() != OPCODE::StandardQuery {
        return RCODE::NotImplemented;
    }
    if query.opt().is_some_and(|opt| opt.version > 0) {
        return RCODE::BADVERS;
    }
    let [question] = &query.questions[..] else { return RCODE::FormatError };
    let labels: Vec<String> =
        question.qname.get_labels().iter().map(|label| label.to_string().to_ascii_lowercase()).collect();
    let of_our_class = matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY);
    if labels.last().is_none_or(|zone| zone != ZONE) || !of_our_class {
        return RCODE::Refused;
    }
    reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    let rdata = match question.qtype {
        QTYPE::TYPE(TYPE::A) | QTYPE::ANY => RData::A(A { address: u32::from_be_bytes([127, 0, 0, 1]) }),
        QTYPE::TYPE(TYPE::AAAA) => RData::AAAA(AAAA { address: 1 }),
        QTYPE::TYPE(TYPE::SOA) if labels.len() == 1 => RData::SOA(start_of_authority()),
        QTYPE::TYPE(TYPE::NS) if labels.len() == 1 => RData::NS(NS(Name::new_unchecked(NAME_SERVER))),
        QTYPE::TYPE(TYPE::TXT) => match text_length(&labels) {
            Some(length) if length > LONGEST_TEXT => return no_data(reply),
            Some(length) => RData::TXT(text_of(length)),
            None => RData::TXT(
                TXT::new().with_char_string(string(b"ask for 4000.txt.test: the number is the length")),
            ),
        },
        _ => return no_data(reply),
    };
    reply.answers.push(record(question.qname.clone(), rdata));
    RCODE::NoError
}

/// The name exists, as every name of the zone does, but this type of it does not: no error, no answer, and the zone's SOA
/// beside it, by which the asker knows that this is the whole truth (RFC 2308, section 2.2).
fn no_data(reply: &mut Packet<'_>) -> RCODE {
    reply.name_servers.push(record(Name::new_unchecked(ZONE), RData::SOA(start_of_authority())));
    RCODE::NoError
}

/// The zone's SOA. Nobody copies this zone, and nobody is to keep what it says: all times are 0 but those that are for
/// copies, which are what RIPE-203 recommends.
fn start_of_authority<'a>() -> SOA<'a> {
    SOA {
        mname: Name::new_unchecked(NAME_SERVER),
        rname: Name::new_unchecked("hostmaster.test"),
        serial: 1,
        refresh: 86_400,
        retry: 7_200,
        expire: 3_600_000,
        minimum: TTL_SECONDS,
    }
}

/// The most bytes that the reply may have.
fn most(query: &Packet, limit: Limit) -> usize {
    let allowed = || query.opt().map_or(0, |opt| usize::from(opt.udp_packet_size));
    match limit {
        Limit::Stream => usize::from(u16::MAX),
        Limit::Datagram => allowed().clamp(WITHOUT_EDNS, LARGEST_DATAGRAM),
    }
}

fn record<'a>(name: Name<'a>, rdata: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(name, CLASS::IN, TTL_SECONDS, rdata)
}

/// The length in `4000.txt.test`, or `None` for other names.
fn text_length(labels: &[String]) -> Option<usize> {
    match labels {
        // A number too large for the machine is still a length: one that no message can hold.
        [length, kind, _] if kind == "txt" && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(length.parse().unwrap_or(usize::MAX))
        }
        _ => None,
    }
}

/// A text of `length` bytes: the alphabet again and again, in strings of at most 255 bytes as TXT wants them.
fn text_of<'a>(length: usize) -> TXT<'a> {
    let text: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
    text.chunks(LONGEST_STRING).fold(TXT::new(), |txt, chunk| txt.with_char_string(string(chunk)))
}

fn string<'a>(bytes: &[u8]) -> CharacterString<'a> {
    CharacterString::new(bytes).expect("no longer than a string may be").into_owned()
}

/// The zone, and the name of its server: like every name in it, it has the addresses 127.0.0.1 and ::1.
const ZONE: &str = "test";
const NAME_SERVER: &str = "ns.test";

/// The largest datagram that an asker without EDNS is ready for (RFC 1035, section 4.2.1).
const WITHOUT_EDNS: usize = 512;

/// The largest UDP payload over IPv4: 65,535 less the headers of IP and UDP.
const LARGEST_DATAGRAM: usize = 65_507;

/// What we say of ourselves in EDNS: the size that passes practically every network in one piece (DNS flag day 2020).
const OUR_SIZE: u16 = 1232;

/// The most bytes in one string of a TXT record: its length has one byte.
const LONGEST_STRING: usize = 255;

/// The longest text that fits in a message over TCP with the longest name in front, each string led by its length.
const LONGEST_TEXT: usize = 64_800;

/// Names for experiments change with the experiment: no resolver should keep them.
const TTL_SECONDS: u32 = 0;

#[cfg(test)]
mod tests {
    use simple_dns::Question;

    use super::*;

    fn query(name: &str, qtype: TYPE, edns: Option<u16>) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        let name = Name::new(name).unwrap();
        packet.questions.push(Question::new(name, qtype.into(), CLASS::IN.into(), false));
        *packet.opt_mut() =
            edns.map(|udp_packet_size| OPT { opt_codes: Vec::new(), udp_packet_size, version: 0 });
        packet.build_bytes_vec().unwrap()
    }

    fn is_truncated(reply: &[u8]) -> bool {
        Packet::parse(reply).unwrap().has_flags(PacketFlag::TRUNCATION)
    }

    #[test]
    fn the_asker_decides_what_is_too_large_for_a_datagram() {
        for (edns, text, truncated) in
            [(None, 400, false), (None, 600, true), (Some(1232), 1100, false), (Some(1232), 1300, true)]
        {
            let asked = query(&format!("{text}.txt.test"), TYPE::TXT, edns);

            let over_udp = reply(&asked, Limit::Datagram).unwrap();
            let over_tcp = reply(&asked, Limit::Stream).unwrap();

            assert_eq!(is_truncated(&over_udp), truncated, "{text} bytes with EDNS {edns:?}");
            assert!(!is_truncated(&over_tcp));
            assert!(over_udp.len() <= edns.map_or(512, usize::from));
            assert!(over_tcp.len() > text);
        }
    }

    #[test]
    fn the_longest_text_fits_in_a_stream_message_and_a_longer_one_is_no_data_of_a_name_that_exists() {
        let ask = |length: usize| {
            reply(&query(&format!("{length}.txt.test"), TYPE::TXT, Some(1232)), Limit::Stream)
        };
        let too_long = [LONGEST_TEXT + 1, usize::MAX].map(|length| format!("{length}.txt.test"));

        let longest = ask(LONGEST_TEXT).unwrap();
        assert!(longest.len() <= 65_535 && !is_truncated(&longest));

        for name in too_long.iter().map(String::as_str).chain(["99999999999999999999999.txt.test"]) {
            let txt = reply(&query(name, TYPE::TXT, None), Limit::Datagram).unwrap();
            let a = reply(&query(name, TYPE::A, None), Limit::Datagram).unwrap();
            let (txt, a) = (Packet::parse(&txt).unwrap(), Packet::parse(&a).unwrap());

            assert_eq!((txt.rcode(), txt.answers.len()), (RCODE::NoError, 0), "{name}");
            assert!(!txt.has_flags(PacketFlag::TRUNCATION), "{name}: a stream would not have it either");
            assert_eq!((a.rcode(), a.answers.len()), (RCODE::NoError, 1), "{name}");
        }
    }

    #[test]
    fn other_zones_are_refused_and_other_types_have_no_answer() {
        let ask = |name, qtype| {
            let bytes = reply(&query(name, qtype, None), Limit::Datagram).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            (packet.rcode(), packet.answers.len())
        };

        assert_eq!(ask("small.test", TYPE::A), (RCODE::NoError, 1));
        assert_eq!(ask("SMALL.TEST", TYPE::AAAA), (RCODE::NoError, 1));
        assert_eq!(ask("small.test", TYPE::MX), (RCODE::NoError, 0));
        assert_eq!(ask("nothing.example", TYPE::A), (RCODE::Refused, 0));
        assert_eq!(ask("contest", TYPE::A), (RCODE::Refused, 0));
    }

    #[test]
    fn the_zone_has_an_soa_at_its_top_and_beside_every_answer_that_is_empty() {
        let sections = |name, qtype| {
            let bytes = reply(&query(name, qtype, None), Limit::Datagram).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            let kinds = |records: &[ResourceRecord]| -> Vec<(String, TYPE)> {
                records.iter().map(|record| (record.name.to_string(), record.rdata.type_code())).collect()
            };
            (kinds(&packet.answers), kinds(&packet.name_servers))
        };
        let soa = || vec![("test".to_owned(), TYPE::SOA)];

        assert_eq!(sections("test", TYPE::SOA), (soa(), vec![]));
        assert_eq!(sections("test", TYPE::NS), (vec![("test".to_owned(), TYPE::NS)], vec![]));
        assert_eq!(sections("test", TYPE::MX), (vec![], soa()));
        assert_eq!(sections("small.test", TYPE::SOA), (vec![], soa()));
        assert_eq!(sections("64801.txt.test", TYPE::TXT), (vec![], soa()));
        assert_eq!(sections("nothing.example", TYPE::A), (vec![], vec![]), "refused: not our zone");
    }

    #[test]
    fn junk_and_replies_are_not_answered() {
        let answered = reply(&query("small.test", TYPE::A, None), Limit::Datagram).unwrap();

        for junk in [&b""[..], b"junk", &[0xff; 12], &[0xff; 600], &answered] {
            assert_eq!(reply(junk, Limit::Datagram), None);
        }
    }
}
