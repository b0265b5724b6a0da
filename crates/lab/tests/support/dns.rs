//! Guarantees that hold for any bytes, as a DNS query and as the reply of another server.

use std::net::SocketAddr;

use echoctl_lab::dns::{Answer, Exchange, Transport, reply};

/// Sends `input` as a query over both transports; a reply must match it and stay within its limits.
pub(crate) fn check_query(input: &[u8]) {
    for (transport, max) in [(Transport::Udp, 4096), (Transport::Tcp, 65_535)] {
        let reply = reply(input, transport, 42);
        let exchange = Exchange { transport, peer: PEER, query: input, reply: reply.as_deref() };
        check_question(&exchange);
        let Some(reply) = &reply else { continue };
        assert!(reply.len() <= max, "{} bytes over {}", reply.len(), transport.name());
        assert_eq!(reply[..2], input[..2], "a reply has the id of its query");
        assert!(input[2] & 0x80 == 0, "a reply is not answered");
        let answer = exchange.answer().expect("our own reply can be decoded");
        assert!(transport == Transport::Udp || !answer.is_truncated, "TCP replies are complete");
        let prefix = exchange.length_prefix(reply).map(|prefix| usize::from(u16::from_be_bytes(prefix)));
        assert_eq!(prefix, (transport == Transport::Tcp).then_some(reply.len()));
    }
}

/// Decodes `input` as the reply of a server.
pub(crate) fn check_reply(input: &[u8]) {
    if let Some(answer) = Answer::read(input) {
        assert!(answer.status.is_ascii() && !answer.status.is_empty());
        // A record has at least a name, a type, a class, a TTL and a length.
        assert!(answer.records * 11 <= input.len(), "{} records in {} bytes", answer.records, input.len());
    }
    check_question(&Exchange { transport: Transport::Udp, peer: PEER, query: input, reply: Some(input) });
}

/// The displayed question is printable and not longer than names can be.
fn check_question(exchange: &Exchange) {
    let Some((name, kind)) = exchange.question() else { return };
    assert!(name.len() <= 4 * 255 && kind.len() <= 16, "{name} {kind}");
    assert!(name.chars().chain(kind.chars()).all(|c| c.is_ascii_graphic()), "{name:?} {kind:?}");
}

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);
