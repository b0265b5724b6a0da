//! Promise: `echoctl dns` prints each message as it is on the wire, as events that match the schema, and keeps answering when
//! its output is not read.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use echoctl_testkit::{Running, signal};
use serde_json::Value;

use crate::schema::{conforms, schema};

/// A running `echoctl dns --json`. Dropping it kills the process.
struct Dns {
    child: Running,
    stdout: BufReader<ChildStdout>,
    listening: Value,
}

impl Dns {
    fn start() -> Dns {
        let mut child = Running::start(
            Command::new(env!("CARGO_BIN_EXE_echoctl"))
                .args(["dns", "--json", "--addr", "127.0.0.1:0"])
                .stdout(Stdio::piped()),
        );
        let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Dns { child, stdout, listening: serde_json::from_str(&line).unwrap() }
    }

    fn addr(&self) -> SocketAddr {
        self.listening["addr"].as_str().unwrap().parse().unwrap()
    }

    fn terminate(&self) {
        self.child.signal("TERM");
    }

    /// Terminates it, and returns its exit code and the events after `listening`.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        self.terminate();
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).unwrap();
        (self.child.end("SIGTERM").code(), crate::schema::events(&rest))
    }
}

/// A query for `4000.txt.test TXT`, without EDNS.
fn query() -> Vec<u8> {
    let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header[..], b"\x044000\x03txt\x04test\0\0\x10\0\x01"].concat()
}

fn ask_udp(addr: SocketAddr, message: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(message, addr).unwrap();
    let mut reply = vec![0; 512];
    let length = socket.recv(&mut reply).unwrap();
    reply.truncate(length);
    reply
}

fn ask_tcp(addr: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(addr).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat()).unwrap();
    let mut length = [0; 2];
    connection.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    connection.read_exact(&mut reply).unwrap();
    reply
}

#[test]
fn each_message_is_an_event_that_matches_the_schema() {
    let dns = Dns::start();
    let addr = dns.addr();
    let published = schema("dns");
    assert_eq!(conforms(&dns.listening, &published), Ok(()));

    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"junk", addr).unwrap();
    let short = ask_udp(addr, &query());
    let long = ask_tcp(addr, &query());
    let (code, events) = dns.end();

    assert_eq!(code, Some(0));
    for event in &events {
        assert_eq!(conforms(event, &published), Ok(()), "{event}");
    }
    let [junk, udp, tcp, summary] = &events[..] else { panic!("{events:#?}") };
    assert!(junk.get("reply").is_none() && junk.get("name").is_none(), "{junk}");
    assert_eq!((&udp["transport"], &udp["name"]), (&"UDP".into(), &"4000.txt.test".into()));
    assert_eq!((&udp["truncated"], &udp["reply"]["bytes"]), (&true.into(), &short.len().into()));
    assert!(udp["reply"].get("length").is_none(), "a datagram needs no length: {udp}");
    assert_eq!((&tcp["transport"], &tcp["type"]), (&"TCP".into(), &"TXT".into()));
    assert_eq!((&tcp["truncated"], &tcp["reply"]["bytes"]), (&false.into(), &long.len().into()));
    assert_eq!(tcp["reply"]["length"], format!("{:02x} {:02x}", long.len() >> 8, long.len() & 0xff));
    assert_eq!((&summary["udp"], &summary["tcp"], summary.get("missed")), (&2.into(), &1.into(), None));
}

#[test]
fn it_answers_and_exits_when_its_output_is_not_read() {
    let mut dns = Dns::start();
    let addr = dns.addr();

    // About 300 bytes each: more than the pipe and the log can buffer.
    for _ in 0..2000 {
        assert_eq!(ask_udp(addr, &query())[..2], [0x12, 0x34]);
    }
    dns.terminate();

    // It exits although its output is not read, and its exit code reports the missing output.
    assert_eq!(dns.child.end("SIGTERM").code(), Some(143));
}

#[test]
fn an_address_that_others_can_reach_is_warned_about() {
    for (addr, is_open) in [("0.0.0.0:0", true), ("127.0.0.1:0", false)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_echoctl"))
            .args(["dns", "--json", "--addr", addr])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut events = BufReader::new(child.stdout.take().unwrap());
        events.read_line(&mut line).unwrap();
        signal(child.id(), "TERM");
        let stderr = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();

        assert!(line.contains("listening"), "{line}");
        assert_eq!(
            stderr.contains("warning") && stderr.contains("no rate limit"),
            is_open,
            "{addr}: {stderr}"
        );
    }
}

/// Regression: a length that was truncated to 16 bits let the client choose where messages begin.
#[test]
fn a_hostile_query_gets_one_short_reply() {
    let dns = Dns::start();
    let labels = [&[63][..], &[b'a'; 63]].concat().repeat(3);
    let mut hostile = [&[0, 9, 1, 0, 0x1f, 0x40, 0, 0, 0, 0, 0, 0][..], &labels, &[0, 0, 1, 0, 1]].concat();
    while hostile.len() + 6 <= 65_535 {
        hostile.extend([0xc0, 12, 0, 1, 0, 1]);
    }

    let reply = ask_tcp(dns.addr(), &hostile);
    let short = ask_udp(dns.addr(), &hostile[..700]);

    assert_eq!((reply.len(), reply[3] & 15), (12, 1), "FORMERR and a header");
    assert_eq!((short.len(), short[3] & 15), (12, 1));
}
