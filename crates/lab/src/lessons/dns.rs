//! `dns`: the same message as a datagram and in a stream. What the two length bytes are for, who decides that a reply is
//! too large, and why length and message belong into one write.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread::JoinHandle;
use std::time::Instant;

use echoctl_record::Seconds;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::dns::{self, Answer, Answerer};
use crate::kit::measure::{TIMEOUT, connect, datagrams, loopback};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, spawn};

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
    /// The length of the reply of 4000 bytes over UDP without EDNS, which says TC.
    truncated_at: usize,
    /// The same of a reply of 1000 bytes with EDNS for 1232, and of that of 4000 with EDNS for 4500.
    allowed_with_edns: usize,
    truncated_by_server: usize,
    /// The two bytes in front of the message over TCP, and the message's length.
    tcp_prefix: usize,
    tcp_message: usize,
    /// Of a datagram of 1000 bytes read with room for 512.
    cut_read: usize,
    /// A round trip with the length and the message in one write, and in two; medians, without TCP_NODELAY.
    one_write_seconds: f64,
    two_writes_seconds: f64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let server = Server::start()?;
    let (udp_largest, udp_too_large) = datagram_limits()?;
    let plain = ask_udp(server.addr, &query(LONG, None), 65_535)?;
    let allowed = ask_udp(server.addr, &query(SHORT, Some(1232)), 65_535)?;
    let too_much = ask_udp(server.addr, &query(LONG, Some(4500)), 65_535)?;
    let cut = ask_udp(server.addr, &query(SHORT, Some(1232)), 512)?;
    let (prefix, message) = ask_tcp(server.addr, &query(LONG, None))?;
    let evidence = Evidence {
        udp_largest,
        udp_too_large,
        truncated_at: plain.len(),
        allowed_with_edns: allowed.len(),
        truncated_by_server: too_much.len(),
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
    Ok(finding(&evidence, [&plain, &allowed, &too_much].map(|reply| is_truncated(reply)), &message))
}

fn finding(e: &Evidence, is_truncated: [bool; 3], message: &[u8]) -> Finding {
    let [truncated, truncated_with_edns, truncated_by_server] = is_truncated;
    let first = &message[..message.len().min(8)];
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let length = (e.tcp_prefix as u16).to_be_bytes();
    let finding = Finding::new(e)
        .table(
            Table::new(["the reply", "bytes", ""])
                .row(["4000 over UDP, the client has no limit", &e.truncated_at.to_string(), how(truncated)])
                .row(["1000 over UDP, the client allows 1232", &e.allowed_with_edns.to_string(), how(truncated_with_edns)])
                .row(["  ... read into 512 bytes", &e.cut_read.to_string(), "the rest is discarded"])
                .row(["4000 over UDP, the client allows 4500", &e.truncated_by_server.to_string(), how(truncated_by_server)])
                .row(["4000 over TCP", &e.tcp_message.to_string(), "complete, behind its length"]),
        )
        .table(
            Table::new(["the first bytes", ""])
                .row(["datagram", &format!("      {} ...", bytes(first))])
                .row(["stream", &format!("{} {} ...", bytes(&length), bytes(first))]),
        )
        .table(
            Table::new(["a query and its reply over TCP", "time"])
                .row(["length and message in one write", &Seconds(e.one_write_seconds).to_string()])
                .row(["the length, then the message", &Seconds(e.two_writes_seconds).to_string()]),
        )
        .explain(format!(
            "UDP can carry it: a datagram of {} bytes arrived whole, and only {} were refused. There are three limits: the \
             protocol's (65507 bytes over IPv4, 65527 over IPv6); the network's (a datagram of more than some 1500 bytes travels in \
             fragments, and if one is lost all are); and what the client says it is ready for. The last one decided here. \
             This client said nothing, which means 512 by the DNS standard, so the server replied with {} bytes and the \
             flag TC. A client that allowed 1232 got a reply of {} in one datagram.",
            e.udp_largest, e.udp_too_large, e.truncated_at, e.allowed_with_edns,
        ))
        .explain(format!(
            "The server has a limit of its own: a client that allowed 4500 got {} bytes{}. Anyone can write another host's \
             address on a datagram, and that host would get the reply; so this server sends no more than 1232 bytes to an \
             address that has not been proved, some 30 times its query. (dig +bufsize=4500 \
             proves its address with a cookie, and then gets all of it.)",
            e.truncated_by_server,
            if truncated_by_server { " and TC" } else { "" },
        ))
        .explain(format!(
            "A datagram is a message. Whoever reads it with too little room gets {} bytes, and the rest is not there at the \
             next read.",
            e.cut_read,
        ))
        .explain(format!(
            "Over TCP the client asks again, and there bytes have no ends. So each message is led by its length in two \
             bytes: {} is {}, and that many bytes followed. Two bytes also set the largest message, 65535.",
            bytes(&length),
            e.tcp_prefix,
        ))
        .explain(format!(
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
            truncated && e.truncated_at <= 512 && !truncated_with_edns && e.allowed_with_edns > SHORT,
            format!("{} and {} bytes", e.truncated_at, e.allowed_with_edns),
        )
        .claim(
            "over TCP the length stands in front",
            e.tcp_prefix == e.tcp_message && e.tcp_message > LONG,
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

fn how(is_truncated: bool) -> &'static str {
    if is_truncated { "truncated: TC is set" } else { "complete" }
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
    let mut connection = connect(server)?;
    let query = query(LONG, None);
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
    let mut connection = connect(server)?;
    connection.write_all(&[&(query.len() as u16).to_be_bytes(), query].concat())?;
    read_message(&mut connection)
}

/// Asks over UDP and reads the reply with room for `room` bytes.
fn ask_udp(server: SocketAddr, query: &[u8], room: usize) -> Result<Vec<u8>, LessonError> {
    let socket = UdpSocket::bind(loopback())?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(server)?; // a stranger's datagram is no reply
    socket.send(query)?;
    let mut reply = vec![0; room];
    let length = socket.recv(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}

/// The largest datagram that arrives, and the smallest that the system refuses to send.
fn datagram_limits() -> Result<(usize, usize), LessonError> {
    let (sender, receiver) = datagrams()?;
    let (mut largest, mut room) = (0, vec![0; 1 << 17]);
    let most = 65_507 + if loopback().is_ipv6() { 20 } else { 0 };
    for size in [512, 1232, 4000, 32_000, most, most + 1] {
        match sender.send(&vec![b'x'; size]) {
            Ok(_) if receiver.recv(&mut room)? == size => largest = size,
            Ok(_) => return Err(LessonError::Part(format!("a datagram of {size} bytes arrived cut"))),
            // EMSGSIZE has no name in std; any other refusal would be about the socket, not the size.
            Err(error) if error.kind() != ErrorKind::PermissionDenied => return Ok((largest, size)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(LessonError::NotVisible("this system sends datagrams of any size".to_owned()))
}

/// A query for a text of this many bytes; `edns` is the size of datagram that the client allows.
fn query(bytes: usize, edns: Option<u16>) -> Vec<u8> {
    dns::query(0x1234, &format!("{bytes}.txt.test"), edns)
}

fn is_truncated(reply: &[u8]) -> bool {
    Answer::read(reply).is_some_and(|answer| answer.is_truncated)
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
        let thread = spawn(move || runtime.block_on(answerer.run(stopped, |_| {})))?;
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

/// Bytes of the texts that are asked for: one that no client without EDNS is sent over UDP, and one that fits into what it
/// usually allows.
const LONG: usize = 4000;
const SHORT: usize = 1000;

/// Round trips measured each way: the slow ones take 40 ms each.
const ROUND_TRIPS: usize = 11;
