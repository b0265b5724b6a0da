//! Look-ups of captured netlink messages and of this process's own sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use echoctl_testkit::{eventually, pair};
use socket2::{Domain, Socket, Type};

use super::message::{Messages, Reply, Request};
use super::*;
use crate::TcpState;
use crate::endpoint::captured::bytes;

/// Captured on Linux 6.18, x86_64: the reply to a look-up of the server's endpoint of a loopback connection with
/// 128,512 unread bytes.
const REPLY: &str = "\
    c00100001400000001000000c0600000020100009cb5d6e07f0000010000000000000000000000007f00000100000000000000000000000000\
    00000016000000000000000000000000f60100000000000000000002c20000050008000000000008000f00000000000c001500010000000000\
    0000060016005200000028000700c0ff01000000020000000000001e3c0040100000000000000000000000000000030000001c010200010000\
    000007aa01e01c0300803801000080000000ba00000000000000000000000000000000000000000000b004000000000000b0030000b0030000\
    ffff0000007401000c00000007000000ffffff7f0b000000cbff00000300000012000000cbff0000000000002336f5920f000000ffffffffff\
    ffffff2c0100000000000000f6010000000000050000000a000000000000000500000005000000010000000000a08601000000000000000000\
    00000000000000000000000000000000000002000000000000002c010000000000000000000000000000000000000000000000000000000001\
    00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

#[test]
#[cfg(target_endian = "little")]
fn a_captured_reply_is_parsed_completely() {
    let all: Vec<Reply> = Messages::new(&bytes(REPLY), 1).collect();

    let [Reply::Socket(entry)] = all.as_slice() else { panic!("not one socket: {all:?}") };
    assert_eq!(entry.local, SocketAddr::from(([127, 0, 0, 1], 40117)));
    assert_eq!(entry.remote, SocketAddr::from(([127, 0, 0, 1], 55008)));
    assert_eq!((entry.state, entry.rqueue, entry.wqueue), (TcpState::Established, 128_512, 0));
    assert_eq!((entry.uid, entry.inode, entry.timer), (0, 49666, None));
    let info = entry.info.unwrap();
    assert_eq!((info.bytes_received, info.snd_cwnd), (Some(128_512), 11));
    assert_eq!(entry.memory.unwrap().receive, 0x1ffc0);
}

#[test]
fn a_reply_to_another_request_is_skipped() {
    assert_eq!(Messages::new(&bytes(REPLY), 2).count(), 0);
}

/// A message of the kernel: `nlmsghdr` and the rest.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &1u32.to_ne_bytes()];
    [&header.concat()[..], &[0; 4], body].concat()
}

#[test]
fn codes_of_errors_and_of_lists_are_distinguished() {
    let outcome = |kind: u16, body: &[u8]| Messages::new(&message(kind, 0, body), 1).next();

    assert!(matches!(outcome(2, &(-libc::EPERM).to_ne_bytes()), Some(Reply::Errno(libc::EPERM))));
    assert!(
        matches!(outcome(2, &0i32.to_ne_bytes()), Some(Reply::Done)),
        "an acknowledgement is not an error"
    );
    assert!(matches!(outcome(2, &i32::MIN.to_ne_bytes()), Some(Reply::Errno(i32::MAX))));
    assert!(matches!(outcome(2, &[]), Some(Reply::Malformed)));
    assert!(matches!(outcome(3, &0i32.to_ne_bytes()), Some(Reply::Done)));
    assert!(matches!(outcome(3, &[]), Some(Reply::Done)));
    let halfway = outcome(3, &(-libc::ENOMEM).to_ne_bytes());
    assert!(matches!(halfway, Some(Reply::Errno(libc::ENOMEM))), "a list that failed halfway");
}

#[test]
fn a_list_that_changed_meanwhile_is_recognised() {
    let list = [message(3, 2, &[0; 4]), message(3, 2 | 0x10, &[0; 4])].concat();
    let mut messages = Messages::new(&list, 1);

    assert!(messages.next().is_some() && !messages.is_interrupted);
    assert!(messages.next().is_some() && messages.is_interrupted);
}

#[test]
#[cfg(target_endian = "little")]
fn other_families_are_skipped_and_bad_attributes_malformed() {
    let mut other = bytes(REPLY);
    other[16] = libc::AF_PACKET as u8;
    assert_eq!(Messages::new(&other, 1).count(), 0);

    let socket = &bytes(REPLY)[16..88];
    let bare = message(20, 0, socket);
    assert!(matches!(Messages::new(&bare, 1).next(), Some(Reply::Socket(entry)) if entry.info.is_none()));
    let unknown = message(20, 0, &[socket, &[5, 0, 0x63, 0, 1, 0, 0, 0]].concat());
    assert!(matches!(Messages::new(&unknown, 1).next(), Some(Reply::Socket(_))));
    let empty = message(20, 0, &[socket, &[0; 8]].concat());
    assert!(matches!(Messages::new(&empty, 1).next(), Some(Reply::Malformed)));
}

#[test]
fn leftover_messages_do_not_answer_the_next_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut diag = SocketDiag::open().unwrap();
    // A list that is aborted before it is read.
    let list = Request::all(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), u32::MAX);
    diag.send(|sequence| list.encode(sequence)).unwrap();

    for _ in 0..2 {
        let entry = diag.find(client.peer_addr().unwrap(), client.local_addr().unwrap()).unwrap();
        assert!(entry.is_some());
    }
}

#[test]
fn truncated_and_damaged_replies_never_panic() {
    let complete = bytes(REPLY);

    for end in 1..complete.len() {
        let all: Vec<Reply> = Messages::new(&complete[..end], 1).collect();
        assert!(matches!(all.as_slice(), [Reply::Malformed]), "truncated at {end}");
    }
    for at in 0..complete.len() {
        for bit in 0..8 {
            let mut damaged = complete.clone();
            damaged[at] ^= 1 << bit;
            // It may be parsed as something else, but parsing must end.
            let _ = Messages::new(&damaged, 1).take(1000).count();
        }
    }
}

#[test]
fn a_request_has_the_format_of_the_kernels_headers() {
    let request = Request::exact(
        SocketAddr::from(([127, 0, 0, 1], 0x1234)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0x5678)),
    );

    let bytes = request.encode(9);

    assert_eq!(bytes[0..4], 72u32.to_ne_bytes());
    assert_eq!(bytes[16..20], [libc::AF_INET as u8, 6, 0b100_0010, 0]);
    assert_eq!(bytes[24..28], [0x12, 0x34, 0x56, 0x78]);
    assert_eq!(bytes[28..32], [127, 0, 0, 1]);
    assert_eq!(bytes[64..72], [0xff; 8]);
}

#[test]
fn the_peers_endpoint_is_found_over_ipv4_and_ipv6() {
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let cases = [
        (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Ipv4Addr::LOCALHOST.into()),
        (SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), Ipv6Addr::LOCALHOST.into()),
        (any_v6, std::net::IpAddr::from(Ipv4Addr::LOCALHOST)),
    ];
    for (bind, connect) in cases {
        let listener = TcpListener::bind(bind).unwrap();
        let mut client = TcpStream::connect((connect, listener.local_addr().unwrap().port())).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"three words here").unwrap();
        server.read_exact(&mut [0; 6]).unwrap();

        let entry = find_when(&client, |entry| entry.unread() == 10);

        assert_eq!(entry.local, client.peer_addr().unwrap(), "bound to {bind}");
        assert_eq!(entry.remote, client.local_addr().unwrap());
        assert_eq!(entry.info.unwrap().payload_received(), Some(16));
        assert!(entry.memory.unwrap().total() > 0 && entry.inode != 0);
    }
}

#[test]
fn a_dump_has_the_sockets_of_its_ports_in_both_families() {
    let listeners = ["127.0.0.1:0", "[::1]:0"].map(|addr| TcpListener::bind(addr).unwrap());
    let addrs = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let clients = addrs.map(|addr| TcpStream::connect(addr).unwrap());
    let mut diag = SocketDiag::open().unwrap();
    // Its ports at this end, and at the other, without what others on this host have.
    let mut dump = |filter: &PortFilter| {
        let mut sockets = Vec::new();
        diag.dump(filter, &mut sockets).unwrap();
        let is_ours = |socket: &&SocketEntry| addrs.contains(&socket.local) || addrs.contains(&socket.remote);
        let mut ours: Vec<_> =
            sockets.iter().filter(is_ours).map(|socket| (socket.local, socket.remote.port())).collect();
        ours.sort_unstable();
        ours
    };
    let ports = addrs.map(|addr| addr.port());
    let ends = |index: usize| {
        let client = clients[index].local_addr().unwrap();
        [(addrs[index], 0), (addrs[index], client.port()), (client, ports[index])]
    };

    for index in [0, 1] {
        let [listening, server, client] = ends(index);
        let filter = PortFilter::of([ports[index]]);
        assert_eq!(dump(&filter.local().unwrap()), [listening, server]);
        let mut all = [listening, server, client];
        all.sort_unstable();
        assert_eq!(dump(&filter), all);
    }
    let servers = dump(&PortFilter::of(ports).local().unwrap());
    let [[listening, server, _], [listening_v6, server_v6, _]] = [0, 1].map(ends);
    assert_eq!(servers, [listening, server, listening_v6, server_v6]);
    assert!(dump(&PortFilter::of([0]).local().unwrap()).is_empty());
}

#[test]
fn a_closed_connection_is_not_confused_with_its_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    // Bound but never connected: no other program can make this connection meanwhile.
    let never = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    never.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let client = never.local_addr().unwrap().as_socket().unwrap();
    let mut diag = SocketDiag::open().unwrap();

    assert_eq!(diag.find(server, client).unwrap(), None);
    assert!(diag.listening().unwrap().iter().any(|entry| entry.local == server));
}

#[test]
fn a_fin_is_excluded_from_the_payload() {
    let (mut client, _server) = pair();
    client.write_all(&[1; 1000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();

    let entry = find_when(&client, |entry| entry.state == TcpState::CloseWait);

    assert_eq!((entry.rqueue, entry.unread()), (1001, 1000));
    assert_eq!(entry.info.unwrap().payload_received(), Some(1000));
}

#[test]
fn only_connections_of_the_given_port_are_listed() {
    let (ours, others) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").unwrap());
    let connect = |listener: &TcpListener| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let pairs = [connect(&ours), connect(&ours), connect(&others)];
    let mut diag = SocketDiag::open().unwrap();

    let all = diag.connections(ours.local_addr().unwrap().port()).unwrap();

    let mut remotes: Vec<SocketAddr> = all.iter().map(|entry| entry.remote).collect();
    let mut expected: Vec<SocketAddr> =
        pairs[..2].iter().map(|(client, _)| client.local_addr().unwrap()).collect();
    remotes.sort();
    expected.sort();
    assert_eq!(remotes, expected);
}

/// The server's endpoint of `client`, once it meets `condition`.
#[track_caller]
fn find_when(client: &TcpStream, condition: impl Fn(&SocketEntry) -> bool) -> SocketEntry {
    let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let mut diag = SocketDiag::open().unwrap();
    eventually("the server's endpoint is as expected", || {
        let entry = diag.find(peer, local).unwrap();
        entry.filter(&condition).ok_or_else(|| format!("{entry:?}"))
    })
}
