//! `dns`: the same message as a datagram and in a stream. Explains the two-byte length prefix, who decides that a reply is
//! too large, and why the length and the message belong in one write.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread::JoinHandle;
use std::time::Instant;

use echoctl_record::Seconds;
use echoctl_report::Table;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::dns::{self, Answer, Answerer};
use crate::kit::loopback::{TIMEOUT, connect, datagrams, loopback};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "dns",
    idea: "the same message as a datagram and length-prefixed in a stream",
    question: Question {
        text: "A DNS server has a reply with 4000 bytes of text for a client that queries it over UDP. The client sends \
               no EDNS buffer size, that is, it does not say how large a datagram it accepts. What happens?",
        choices: &[
            "the network rejects the reply: such a datagram is too large",
            "the server sends it in several datagrams",
            "the server sends a reply without the answer (only header and question), marked \"truncated\"",
        ],
    },
    code: Code { source: include_str!("../dns/answerer.rs"), node: None },
    next: &[
        (
            "echoctl dns",
            "the same server, which prints each message; query it with dig (package dnsutils) in another terminal:",
        ),
        ("dig @127.0.0.1 -p 5354 +ignore +noedns 4000.txt.test TXT", "look for \"tc\" among the flags"),
        ("dig @127.0.0.1 -p 5354 4000.txt.test TXT", "the last lines show (TCP) and the size of the message"),
        ("echoctl lesson framing", "length prefixes and delimiters compared"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// The largest datagram that arrived complete, and the smallest that was refused.
    udp_largest: usize,
    udp_too_large: usize,
    /// Bytes of the truncated reply sent over UDP, without EDNS, in place of 4000 bytes.
    truncated_at: usize,
    /// Bytes of the reply of 1000 bytes with an EDNS size of 1232, and of the one of 4000 bytes with a size of 4500.
    allowed_with_edns: usize,
    truncated_by_server: usize,
    /// The length prefix of the message over TCP, and the message's length.
    tcp_prefix: usize,
    tcp_message: usize,
    /// Bytes returned by reading a datagram of 1000 bytes into a buffer of 512.
    cut_read: usize,
    /// Round-trip time with the length and the message in one write, and in two; medians, without TCP_NODELAY.
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
        // Sabotage: the second measurement uses one write, too.
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
    Finding::new(e)
        .table(
            Table::new("", ["the reply", "bytes", ""])
                .row(["4000-byte text over UDP, no EDNS size", &e.truncated_at.to_string(), how(truncated)])
                .row(["1000-byte text over UDP, EDNS size 1232", &e.allowed_with_edns.to_string(), how(truncated_with_edns)])
                .row(["... read into a buffer of 512 bytes", &e.cut_read.to_string(), "the rest is discarded"])
                .row(["4000-byte text over UDP, EDNS size 4500", &e.truncated_by_server.to_string(), how(truncated_by_server)])
                .row(["4000-byte text over TCP", &e.tcp_message.to_string(), "length-prefixed"]),
        )
        .table(
            Table::new("", ["the first bytes", ""])
                .row(["datagram", &format!("      {} ...", bytes(first))])
                .row(["stream", &format!("{} {} ...", bytes(&length), bytes(first))]),
        )
        .table(
            Table::new("", ["query and reply over TCP", "round-trip time"])
                .row(["length and message in one write", &Seconds(e.one_write_seconds).to_string()])
                .row(["length first, then the message", &Seconds(e.two_writes_seconds).to_string()]),
        )
        .explain("In short: a datagram is a message; in a stream, each message needs a length in front of it.")
        .explain(format!(
            "The network was not the reason: a datagram of {} bytes arrived complete, and only one of {} bytes was \
             refused. Three limits apply to a datagram. The protocol allows 65507 bytes over IPv4 and 65527 over IPv6. \
             The network splits a datagram of more than about 1500 bytes into fragments, and one lost fragment loses all \
             of it. The client accepts up to its EDNS buffer size. Here the client's limit decided. A client that sends \
             no EDNS size accepts 512 bytes by the DNS standard, so the server replied without the answer: {} bytes \
             (header and question) and the flag TC (truncated). A client with an EDNS size of 1232 received its reply of \
             {} bytes in one datagram.",
            e.udp_largest, e.udp_too_large, e.truncated_at, e.allowed_with_edns,
        ))
        .explain(format!(
            "The server has a limit of its own: a client with an EDNS size of 4500 received {} bytes{}. ({} more than \
             without EDNS: the reply's own EDNS record.) The sender's address on a datagram is easy to forge, and the \
             reply goes to the forged address. So this server sends at most 1232 bytes, about 30 times the query, to an \
             unverified address. (dig +bufsize=4500 verifies its address with a DNS cookie, and then receives the \
             complete reply.)",
            e.truncated_by_server,
            if truncated_by_server { " and TC" } else { "" },
            e.truncated_by_server.saturating_sub(e.truncated_at),
        ))
        .explain(format!(
            "If you read a datagram into a buffer that is too small, you get only what fits: here the first {} of {} \
             bytes. The rest is discarded: the next read does not return it.",
            e.cut_read, e.allowed_with_edns,
        ))
        .explain(format!(
            "After a truncated reply the client queries again over TCP. A byte stream has no message boundaries, so each \
             message is prefixed with its length in two bytes: {} is {}, and that number of bytes followed ({} bytes of \
             text and the rest of the DNS message). Two bytes also limit a message to 65535 bytes.",
            bytes(&length),
            e.tcp_prefix,
            LONG,
        ))
        .explain(format!(
            "Write the length and the message in one call. With two writes a round trip took {} instead of {}. Nagle's \
             algorithm holds the message back until the length has been acknowledged. The peer delays that acknowledgement \
             (delayed ACK) to send it together with a reply, but it cannot reply yet, because it has only the length. \
             TCP_NODELAY turns Nagle's algorithm off; one write avoids the problem altogether.",
            Seconds(e.two_writes_seconds),
            Seconds(e.one_write_seconds),
        ))
        .claim(
            "a datagram can have more than 60000 bytes, up to a limit",
            e.udp_largest > 60_000 && e.udp_too_large > e.udp_largest,
            format!("{} arrived, {} refused", e.udp_largest, e.udp_too_large),
        )
        .claim(
            "the reply is truncated without an EDNS size, and complete with a sufficient one",
            truncated && e.truncated_at <= 512 && !truncated_with_edns && e.allowed_with_edns > SHORT,
            format!("without {} bytes, with {} bytes", e.truncated_at, e.allowed_with_edns),
        )
        .claim(
            "over TCP the message is prefixed with its length",
            e.tcp_prefix == e.tcp_message && e.tcp_message > LONG,
            format!("prefix {}, message of {} bytes", e.tcp_prefix, e.tcp_message),
        )
        .claim(
            "a round trip with two writes takes more than 5 times as long as with one",
            e.two_writes_seconds > 5.0 * e.one_write_seconds,
            format!("two writes {}, one write {}", Seconds(e.two_writes_seconds), Seconds(e.one_write_seconds)),
        )
        .measured(truncated.then_some('c'))
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

/// The median time of a query and its reply on one connection with default options, so without TCP_NODELAY.
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

/// Reads one message of a stream: two bytes with its length, then that number of bytes.
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

/// Queries over UDP and reads the reply into a buffer of `capacity` bytes.
fn ask_udp(server: SocketAddr, query: &[u8], capacity: usize) -> Result<Vec<u8>, LessonError> {
    let socket = UdpSocket::bind(loopback())?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(server)?; // ignores datagrams from other processes
    socket.send(query)?;
    let mut reply = vec![0; capacity];
    let length = socket.recv(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}

/// The largest datagram that arrives, and the smallest that the system refuses to send.
fn datagram_limits() -> Result<(usize, usize), LessonError> {
    let (sender, receiver) = datagrams()?;
    let (mut largest, mut buffer) = (0, vec![0; 1 << 17]);
    let max = 65_507 + if loopback().is_ipv6() { 20 } else { 0 };
    for size in [512, 1232, 4000, 32_000, max, max + 1] {
        match sender.send(&vec![b'x'; size]) {
            Ok(_) if receiver.recv(&mut buffer)? == size => largest = size,
            Ok(_) => {
                return Err(LessonError::Part(format!(
                    "receive a datagram of {size} bytes: it arrived truncated"
                )));
            }
            // EMSGSIZE has no ErrorKind of its own; of the other errors, this one is about the socket and not the size.
            Err(error) if error.kind() != ErrorKind::PermissionDenied => return Ok((largest, size)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(LessonError::NotVisible("this system sends datagrams of any size".to_owned()))
}

/// A query for a text of this number of bytes; `edns` is the datagram size that the client accepts.
fn query(bytes: usize, edns: Option<u16>) -> Vec<u8> {
    dns::query(0x1234, &format!("{bytes}.txt.test"), edns)
}

fn is_truncated(reply: &[u8]) -> bool {
    Answer::read(reply).is_some_and(|answer| answer.is_truncated)
}

/// The DNS server on a thread of its own. Dropping it stops the server.
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
            // A panic in the thread has already been printed.
            let _ = thread.join();
        }
    }
}

/// Bytes of the requested texts: one too long for a UDP reply, and one that fits into the usual EDNS size.
const LONG: usize = 4000;
const SHORT: usize = 1000;

/// Number of round trips measured with each number of writes: the slow ones take 40 ms each.
const ROUND_TRIPS: usize = 11;
