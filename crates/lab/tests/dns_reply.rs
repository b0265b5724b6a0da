//! Promise: the reply to any query, including hostile ones, has the right status, a bounded length, and can be parsed independently.

use echoctl_lab::dns::{Answer, MAX_UNVERIFIED, Transport, reply};
use simple_dns::rdata::{OPT, OPTCode};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE};

const SECRET: u64 = 42;

fn packet(name: &str, qtype: QTYPE, edns: Option<OPT<'static>>) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    let name = Name::new(name).expect("a name");
    packet.questions.push(Question::new(name, qtype, CLASS::IN.into(), false));
    *packet.opt_mut() = edns;
    packet.build_bytes_vec().expect("a message")
}

fn edns(udp_packet_size: u16) -> OPT<'static> {
    OPT { opt_codes: Vec::new(), udp_packet_size, version: 0 }
}

fn with_cookie(udp_packet_size: u16, cookie: &[u8]) -> OPT<'static> {
    OPT { opt_codes: vec![OPTCode { code: 10, data: cookie.to_vec().into() }], ..edns(udp_packet_size) }
}

fn query(name: &str, qtype: TYPE, size: Option<u16>) -> Vec<u8> {
    packet(name, qtype.into(), size.map(edns))
}

fn over_udp(query: &[u8]) -> Vec<u8> {
    reply(query, Transport::Udp, SECRET).expect("it is answered")
}

fn parsed(reply: &[u8]) -> Packet<'_> {
    Packet::parse(reply).expect("a message that can be read")
}

fn is_truncated(reply: &[u8]) -> bool {
    parsed(reply).has_flags(PacketFlag::TRUNCATION)
}

#[test]
fn client_and_server_limit_replies_over_udp() {
    for (size, text, truncated) in [
        (None, 400, false),
        (None, 600, true),
        (Some(0), 400, false),
        (Some(1232), 1100, false),
        (Some(1232), 1300, true),
        (Some(4500), 1300, true),
        (Some(65_535), 64_000, true),
    ] {
        let asked = query(&format!("{text}.txt.test"), TYPE::TXT, size);

        let udp = over_udp(&asked);
        let tcp = reply(&asked, Transport::Tcp, SECRET).expect("a reply");

        assert_eq!(is_truncated(&udp), truncated, "{text} bytes with EDNS {size:?}");
        assert!(!is_truncated(&tcp));
        assert!(udp.len() <= size.map_or(512, usize::from).clamp(512, MAX_UNVERIFIED));
        assert!(tcp.len() > text);
    }
}

#[test]
fn the_longest_text_fits_and_a_longer_one_is_nodata() {
    let longest =
        reply(&query("64800.txt.test", TYPE::TXT, Some(1232)), Transport::Tcp, SECRET).expect("a reply");
    assert!(longest.len() <= 65_535 && !is_truncated(&longest));

    for name in ["64801.txt.test", "18446744073709551615.txt.test", "99999999999999999999999.txt.test"] {
        let (txt, a) = (over_udp(&query(name, TYPE::TXT, None)), over_udp(&query(name, TYPE::A, None)));
        let (txt, a) = (parsed(&txt), parsed(&a));

        assert_eq!((txt.rcode(), txt.answers.len()), (RCODE::NoError, 0), "{name}");
        assert!(!txt.has_flags(PacketFlag::TRUNCATION), "{name}: TCP would not help");
        assert_eq!((a.rcode(), a.answers.len()), (RCODE::NoError, 1), "{name}");
    }
}

#[test]
fn a_cookie_verifies_an_address_and_raises_the_limit() {
    let ask = |cookie: &[u8], secret| {
        let query = packet("4000.txt.test", TYPE::TXT.into(), Some(with_cookie(4500, cookie)));
        reply(&query, Transport::Udp, secret).expect("a reply")
    };
    let client = *b"my half.";

    let first = ask(&client, SECRET);
    let opt = parsed(&first).opt().cloned().expect("a reply has an OPT record if its query has one");
    let cookie = opt.opt_codes[0].data.to_vec();
    assert_eq!(Answer::read(&first).map(|answer| answer.status), Some("BADCOOKIE"));
    assert!(first.len() < 80, "{} bytes", first.len());
    assert_eq!((cookie.len(), &cookie[..8]), (16, &client[..]));

    let second = ask(&cookie, SECRET);
    assert!((4000..=4096).contains(&second.len()) && !is_truncated(&second), "{} bytes", second.len());

    let elsewhere = ask(&cookie, SECRET + 1);
    assert!(elsewhere.len() < 80, "it was given to another address");
    let too_large = packet("4200.txt.test", TYPE::TXT.into(), Some(with_cookie(65_535, &cookie)));
    assert!(is_truncated(&over_udp(&too_large)), "more is for TCP");
}

#[test]
fn other_than_one_question_gets_formerr_and_a_header() {
    let good = query("small.test", TYPE::A, Some(1232));
    let with_counts = |counts: [u16; 4]| {
        let counts: Vec<u8> = counts.into_iter().flat_map(u16::to_be_bytes).collect();
        [&good[..4], &counts, &good[12..]].concat()
    };
    let two_opts = [&with_counts([1, 0, 0, 2])[..], &good[good.len() - 11..]].concat();
    let hostile = eight_thousand_questions();

    let mut malformed: Vec<Vec<u8>> = (12..good.len()).map(|cut| good[..cut].to_vec()).collect();
    malformed.extend([[0, 0, 0, 0], [0, 0, 0, 1], [2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]].map(with_counts));
    malformed.extend([two_opts, hostile]);
    for message in malformed {
        for transport in [Transport::Udp, Transport::Tcp] {
            let reply = reply(&message, transport, SECRET).expect("a header is answered");

            assert_eq!(reply.len(), 12, "{message:x?}");
            assert_eq!((reply[..2] == message[..2], parsed(&reply).rcode()), (true, RCODE::FormatError));
        }
    }
}

/// 65,535 bytes of questions whose names are pointers into each other's labels.
fn eight_thousand_questions() -> Vec<u8> {
    let labels = [&[63; 1][..], &[b'a'; 63]].concat().repeat(3);
    let mut message = [&[0, 7, 1, 0, 0x1f, 0x40, 0, 0, 0, 0, 0, 0][..], &labels, &[0, 0, 1, 0, 1]].concat();
    while message.len() + 6 <= 65_535 {
        message.extend([0xc0, 12, 0, 1, 0, 1]);
    }
    message
}

#[test]
fn other_opcodes_get_notimp_and_replies_are_ignored() {
    let good = query("small.test", TYPE::A, None);
    for opcode in 1..16 {
        let mut other = good.clone();
        other[2] |= opcode << 3;

        let reply = over_udp(&other);

        assert_eq!((reply.len(), reply[2] >> 3 & 15, reply[3] & 15), (12, opcode, 4), "opcode {opcode}");
    }
    let answered = over_udp(&good);
    for junk in [&b""[..], b"junk", &[0xff; 12], &[0xff; 600], &answered, &good[..11]] {
        assert_eq!(reply(junk, Transport::Udp, SECRET), None, "{junk:x?}");
    }
}

#[test]
fn a_later_edns_version_gets_badvers() {
    // Without simple-dns, which puts the version and the upper half of the status elsewhere.
    let mut later = query("small.test", TYPE::A, Some(4096));
    let at = later.len() - 5;
    later[at] = 1;

    let reply = over_udp(&later);

    assert_eq!(reply[3] & 15, 0, "the lower half of 16; the upper half is in the OPT record");
    assert_eq!(reply[reply.len() - 6..], [1, 0, 0, 0, 0, 0], "and the supported version");
    assert_eq!(Answer::read(&reply).map(|answer| (answer.status, answer.records)), Some(("BADVERS", 0)));
}

#[test]
fn other_zones_and_classes_and_transfers_are_refused() {
    let ask = |name, qtype: QTYPE, class: QCLASS| {
        let mut query = packet(name, qtype, None);
        let at = query.len() - 2;
        query[at..].copy_from_slice(&u16::from(class).to_be_bytes());
        let reply = over_udp(&query);
        (parsed(&reply).rcode(), parsed(&reply).answers.len())
    };
    let internet = QCLASS::CLASS(CLASS::IN);

    assert_eq!(ask("small.test", TYPE::A.into(), internet), (RCODE::NoError, 1));
    assert_eq!(ask("SMALL.TEST", TYPE::AAAA.into(), internet), (RCODE::NoError, 1));
    assert_eq!(ask("small.test", QTYPE::ANY, QCLASS::ANY), (RCODE::NoError, 1));
    assert_eq!(ask("small.test", TYPE::MX.into(), internet), (RCODE::NoError, 0));
    assert_eq!(ask("small.test", TYPE::A.into(), QCLASS::CLASS(CLASS::CH)), (RCODE::Refused, 0));
    assert_eq!(ask("nothing.example", TYPE::A.into(), internet), (RCODE::Refused, 0));
    assert_eq!(ask("contest", TYPE::A.into(), internet), (RCODE::Refused, 0));
    assert_eq!(ask("test", QTYPE::AXFR, internet), (RCODE::Refused, 0));
    assert_eq!(ask("test", QTYPE::MAILB, internet), (RCODE::NotImplemented, 0));
}

#[test]
fn an_unknown_type_class_or_flag_is_answered() {
    let mut query = query("small.test", TYPE::A, None);
    let at = query.len() - 2;
    let mut other = query.clone();
    other[at - 2..at].copy_from_slice(&999_u16.to_be_bytes());
    let no_data = over_udp(&other);
    assert_eq!((no_data[3] & 15, &no_data[6..10]), (0, &[0, 0, 0, 1][..]), "no answer, and the SOA");

    query[3] |= 0x40; // a reserved bit, which a server ignores

    assert_eq!(parsed(&over_udp(&query)).answers.len(), 1);
    query[at..].copy_from_slice(&[0x12, 0x34]);
    assert_eq!(over_udp(&query)[3] & 15, 5, "refused");
}

#[test]
fn the_apex_has_an_soa_and_so_has_nodata() {
    let sections = |name, qtype| {
        let bytes = over_udp(&query(name, qtype, None));
        let packet = parsed(&bytes);
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
    assert_eq!(sections("0.txt.test", TYPE::TXT), (vec![("0.txt.test".to_owned(), TYPE::TXT)], vec![]));
}

/// This bounds what a forged address can be sent.
#[test]
fn a_reply_over_udp_is_at_most_30_times_its_query() {
    for text in (0..1400).chain([9_999, 64_800]) {
        for size in [None, Some(1232), Some(65_535)] {
            let asked = query(&format!("{text}.txt.test"), TYPE::TXT, size);
            let reply = over_udp(&asked);

            assert!(reply.len() <= 30 * asked.len(), "{} bytes for {}", reply.len(), asked.len());
        }
    }
}

/// Hostile bytes, derived from seeds, get a short and well-formed reply.
#[test]
fn any_changed_query_gets_a_reply_within_bounds() {
    let seeds = [
        query("4000.txt.test", TYPE::TXT, Some(65_535)),
        packet("600.txt.test", TYPE::TXT.into(), Some(with_cookie(4500, &[9; 16]))),
    ];
    for seed in &seeds {
        for at in 0..seed.len() {
            for byte in 0..=255 {
                let mut changed = seed.clone();
                changed[at] = byte;
                let (udp, tcp) =
                    (reply(&changed, Transport::Udp, SECRET), reply(&changed, Transport::Tcp, SECRET));

                assert!(udp.as_ref().is_none_or(|udp| udp.len() <= MAX_UNVERIFIED), "byte {at} is {byte}");
                assert!(tcp.is_none_or(|tcp| tcp.len() <= 65_535), "byte {at} is {byte}");
                assert!(udp.is_none_or(|udp| Answer::read(&udp).is_some()), "byte {at} is {byte}");
            }
        }
    }
}

/// Pointers are not followed, and counts are not trusted: a long message gets no long reply.
#[test]
fn hostile_messages_get_short_replies() {
    let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0][..]].concat();
    let mut records = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0x14, 0][..], b"\x04test\0\0\x01\0\x01"].concat();
    while records.len() + record.len() <= 65_535 {
        records.extend(&record);
    }
    let loops = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0xc0, 12, 0, 1, 0, 1]].concat();

    for message in [eight_thousand_questions(), records, loops, vec![0; 65_535]] {
        let reply = reply(&message, Transport::Tcp, SECRET);
        assert!(
            reply.as_ref().is_none_or(|reply| reply.len() <= 100),
            "{:?}",
            reply.map(|reply| reply.len())
        );
    }
}
