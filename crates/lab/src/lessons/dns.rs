//! `dns`: the same message as a datagram and in a stream. What the two length bytes are for, who decides that a reply is
//! too large, and why length and message belong into one write.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use echoctl_record::Seconds;
use serde::Serialize;
use simple_dns::rdata::OPT;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question as Asked, TYPE};
use tokio::sync::oneshot;

use crate::dns::Answerer;
use crate::kit::measure::{PATIENCE, loopback};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "dns",
    idea: "the same message as a datagram, and behind its length in a stream",
    question: Question {
        text: "A DNS server has a reply of 4000 bytes for a client that asks over UDP and says nothing about its limits. \
               What happens?",
        choices: &[
            "the network refuses it: a datagram of 4000 bytes is too large",
            "the server sends it in several datagrams",
            "the server sends an empty reply marked \"truncated\"",
        ],
    },
    code: Code { source: include_str!("../dns/answerer.rs"), node: None },
    next: &[
        (
            "echoctl dns",
            "the same server, which shows each message; ask it with dig (of the package dnsutils) in another terminal:",
        ),
        ("dig @127.0.0.1 -p 5354 +ignore +noedns 4000.txt.test TXT", "look for \"tc\" among the flags"),
        ("dig @127.0.0.1 -p 5354 4000.txt.test TXT", "the last lines say (TCP) and the size of the message"),
        ("echoctl lesson framing", "lengths and delimiters compared"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// The largest datagram that arrived whole, and the smallest that was refused.
    udp_largest: usize,
    udp_too_large: usize,
    /// The length of the reply of 4000 bytes over UDP without EDNS, which says TC; with EDNS for 4500.
    truncated_at: usize,
    allowed_with_edns: usize,
    /// The two bytes in front of the message over TCP, and the message's length.
    tcp_prefix: usize,
    tcp_message: usize,
    /// Of a datagram of 4000 bytes read with room for 512.
    cut_read: usize,
    /// A round trip with the length and the message in one write, and in two; medians, without TCP_NODELAY.
    one_write_seconds: f64,
    two_writes_seconds: f64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let server = Server::start()?;
    let (udp_largest, udp_too_large) = datagram_limits()?;
    let plain = ask_udp(server.addr, &query(None), 65_535)?;
    let allowed = ask_udp(server.addr, &query(Some(4500)), 65_535)?;
    let cut = ask_udp(server.addr, &query(Some(4500)), 512)?;
    let (prefix, message) = ask_tcp(server.addr, &query(None))?;
    let evidence = Evidence {
        udp_largest,
        udp_too_large,
        truncated_at: plain.len(),
        allowed_with_edns: allowed.len(),
        tcp_prefix: prefix,
        tcp_message: message.len(),
        cut_read: cut.len(),
        one_write_seconds: round_trip(server.addr, Writes::One)?,
        // Sabotage: the second measurement writes once, too.
        two_writes_seconds: round_trip(
            server.addr,
            if setting.sabotage { Writes::One } else { Writes::Two },
        )?,
    };
    Ok(tell(&evidence, is_truncated(&plain), is_truncated(&allowed), &message))
}

fn tell(e: &Evidence, truncated: bool, truncated_with_edns: bool, message: &[u8]) -> Finding {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let length = (e.tcp_prefix as u16).to_be_bytes();
    let finding = Finding::new(e)
        .table(
            Table::new(["the reply for 4000.txt.test", "bytes", ""])
                .row(["UDP, the client says nothing", &e.truncated_at.to_string(), "truncated: TC is set"])
                .row(["UDP, the client allows 4500", &e.allowed_with_edns.to_string(), "whole"])
                .row(["... read with room for 512", &e.cut_read.to_string(), "the rest is gone for good"])
                .row(["TCP", &e.tcp_message.to_string(), "whole, 2 more bytes in front"]),
        )
        .table(
            Table::new(["the first bytes", ""])
                .row(["datagram", &format!("      {} ...", bytes(&message[..8]))])
                .row(["stream", &format!("{} {} ...", bytes(&length), bytes(&message[..8]))]),
        )
        .table(
            Table::new(["a query and its reply over TCP", "time"])
                .row(["length and message in one write", &Seconds(e.one_write_seconds).to_string()])
                .row(["the length, then the message", &Seconds(e.two_writes_seconds).to_string()]),
        )
        .tell(format!(
            "UDP can carry it: a datagram of {} bytes arrived whole, and only {} were refused. There are three limits: the \
             protocol's (65507 bytes over IPv4); the network's (a datagram of more than some 1500 bytes travels in \
             fragments, and if one is lost all are); and what the client says it is ready for. The last one decided here. \
             This client said nothing, which means 512 by the DNS standard, so the server replied with {} bytes and the \
             flag TC. A client that allowed 4500 got {}.",
            e.udp_largest, e.udp_too_large, e.truncated_at, e.allowed_with_edns,
        ))
        .tell(format!(
            "A datagram is a message. Whoever reads it with too little room gets {} bytes, and the rest is not there at the \
             next read.",
            e.cut_read,
        ))
        .tell(format!(
            "Over TCP the client asks again, and there bytes have no ends. So each message is led by its length in two \
             bytes: {} is {}, and that many bytes followed. Two bytes also set the largest message, 65535.",
            bytes(&length),
            e.tcp_prefix,
        ))
        .tell(format!(
            "Write the length and the message at once. In two writes a round trip took {} instead of {}: the message waits \
             until the length is acknowledged (Nagle's algorithm), and the peer delays that acknowledgement because it \
             expects to send a reply with it, which it cannot, having seen only a length. TCP_NODELAY switches the first \
             of the two off; one write avoids both.",
            Seconds(e.two_writes_seconds),
            Seconds(e.one_write_seconds),
        ))
        .claim(
            "a datagram may have more than 60000 bytes, and has a limit",
            e.udp_largest > 60_000 && e.udp_too_large > e.udp_largest,
            format!("{} arrived, {} refused", e.udp_largest, e.udp_too_large),
        )
        .claim(
            "the reply is truncated for a client that says nothing and whole for one that allows it",
            truncated && e.truncated_at <= 512 && !truncated_with_edns && e.allowed_with_edns > 4000,
            format!("{} and {} bytes", e.truncated_at, e.allowed_with_edns),
        )
        .claim(
            "over TCP the length stands in front",
            e.tcp_prefix == e.tcp_message && e.tcp_message > 4000,
            format!("{} in front of {} bytes", e.tcp_prefix, e.tcp_message),
        )
        .claim(
            "two writes take more than 5 times as long as one",
            e.two_writes_seconds > 5.0 * e.one_write_seconds,
            format!("{} against {}", Seconds(e.two_writes_seconds), Seconds(e.one_write_seconds)),
        );
    match truncated {
        true => finding.measured('c'),
        false => finding,
    }
}

/// How a message is written to a stream.
#[derive(Clone, Copy)]
enum Writes {
    /// Length and message together.
    One,
    /// The length first.
    Two,
}

/// The median time of a query and its reply on one connection, which is as a program leaves it: without TCP_NODELAY.
fn round_trip(server: SocketAddr, writes: Writes) -> Result<f64, LessonError> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let query = query(None);
    let length = (query.len() as u16).to_be_bytes();
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let started = Instant::now();
        match writes {
            Writes::One => connection.write_all(&[&length[..], &query].concat())?,
            Writes::Two => {
                connection.write_all(&length)?;
                connection.write_all(&query)?;
            }
        }
        read_message(&mut connection)?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUND_TRIPS / 2])
}

/// One message of a stream: two bytes that tell the length, then that many.
fn read_message(connection: &mut TcpStream) -> Result<(usize, Vec<u8>), LessonError> {
    let mut length = [0; 2];
    connection.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    let mut message = vec![0; length];
    connection.read_exact(&mut message)?;
    Ok((length, message))
}

fn ask_tcp(server: SocketAddr, query: &[u8]) -> Result<(usize, Vec<u8>), LessonError> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(&[&(query.len() as u16).to_be_bytes(), query].concat())?;
    read_message(&mut connection)
}

/// Asks over UDP and reads the reply with room for `room` bytes.
fn ask_udp(server: SocketAddr, query: &[u8], room: usize) -> Result<Vec<u8>, LessonError> {
    let socket = UdpSocket::bind(loopback())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(query, server)?;
    let mut reply = vec![0; room];
    let length = socket.recv(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}

/// The largest datagram that arrives, and the smallest that the system refuses to send.
fn datagram_limits() -> Result<(usize, usize), LessonError> {
    let (sender, receiver) = (UdpSocket::bind(loopback())?, UdpSocket::bind(loopback())?);
    receiver.set_read_timeout(Some(PATIENCE))?;
    let (mut largest, mut room) = (0, vec![0; 1 << 17]);
    for size in [512, 1232, 4000, 32_000, 65_507, 65_508] {
        match sender.send_to(&vec![b'x'; size], receiver.local_addr()?) {
            Ok(_) if receiver.recv(&mut room)? == size => largest = size,
            Ok(_) => return Err(LessonError::Part(format!("a datagram of {size} bytes arrived cut"))),
            // EMSGSIZE has no name in std; any other refusal would be about the socket, not the size.
            Err(error) if error.kind() != ErrorKind::PermissionDenied => return Ok((largest, size)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(LessonError::NotVisible("this system sends datagrams of any size".to_owned()))
}

/// A query for a text of 4000 bytes; `edns` is the size of datagram that the client allows.
fn query(edns: Option<u16>) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    let name = Name::new_unchecked("4000.txt.test");
    packet.questions.push(Asked::new(name, TYPE::TXT.into(), CLASS::IN.into(), false));
    *packet.opt_mut() =
        edns.map(|udp_packet_size| OPT { opt_codes: Vec::new(), udp_packet_size, version: 0 });
    packet.build_bytes_vec().expect("a query of one short name fits")
}

fn is_truncated(reply: &[u8]) -> bool {
    Packet::parse(reply).is_ok_and(|packet| packet.has_flags(PacketFlag::TRUNCATION))
}

/// The answerer on a thread of its own. Dropping it ends it.
struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Result<Server, LessonError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answerer = runtime.block_on(Answerer::bind(loopback()))?;
        let addr = answerer.local_addr();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || runtime.block_on(answerer.run(stopped, |_| {})));
        Ok(Server { addr, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// Round trips measured each way: the slow ones take 40 ms each.
const ROUND_TRIPS: usize = 11;
