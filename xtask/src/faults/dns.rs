//! The DNS server against malicious clients: every reply is bounded and framed, and no client blocks the others.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Findings, Running, STARTING, World, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("anything-but-one-question-is-refused", questions),
    quick("udp-replies-are-bounded", |world| {
        let (_server, addr) = start(world)?;
        let mut findings = Findings::default();
        for size in [0, 1, 511, 512, 513, 1232, 1233, 4096, 65_535] {
            let answer = ask_udp(&addr, &query(&["64800", "txt", "test"], TXT, Some(size)))?;
            let result = answer.context("no answer").and_then(|answer| {
                let most = usize::from(size).clamp(512, 1232);
                ensure!(answer.len() <= most, "{} bytes exceed the allowed {most}", answer.len());
                ensure!(answer[2] & 2 != 0, "it is truncated, but not marked as truncated");
                Ok(())
            });
            findings.add(format!("EDNS size {size}"), result);
        }
        let plain = ask_udp(&addr, &query(&["4000", "txt", "test"], TXT, None))?.context("no answer")?;
        ensure!(plain.len() <= 512 && plain[2] & 2 != 0, "{} bytes without EDNS", plain.len());
        findings.verdict()
    }),
    quick("tcp-lengths-are-right", lengths),
    case("loops-and-damage-do-no-harm", damaged),
    case("a-response-gets-no-reply", |world| {
        let (_server, addr) = start(world)?;
        let mut message = query(&["small", "test"], A, None);
        message[2] |= 0x80;
        // Two servers that reply to replies would never stop.
        let answer = ask_udp(&addr, &message)?;
        ensure!(answer.is_none(), "it replied to a response: {:02x?}", answer.unwrap_or_default());
        answers(&addr)
    }),
    quick("silent-tcp-peers-do-not-block-others", silent),
    case("clients-that-never-read-do-not-block-others", deaf),
    quick("outside-loopback-it-warns", warning),
];

fn start(world: &World) -> Result<(Running, String)> {
    let server = world.echoctl(&["dns", "--addr", "127.0.0.1:0"]).start()?;
    let addr = server.await_text("serving test. on ", STARTING)?;
    Ok((server, addr))
}

fn questions(world: &World) -> Result<()> {
    let (_server, addr) = start(world)?;
    let one = query(&["small", "test"], A, None);
    let question = &one[12..];
    let with = |count: u16, times: usize| {
        let mut message = one[..12].to_vec();
        message[4..6].copy_from_slice(&count.to_be_bytes());
        message.extend(question.repeat(times));
        message
    };
    let mut findings = Findings::default();
    let messages = [
        ("none", with(0, 0)),
        ("two", with(2, 2)),
        ("8,000", with(8000, 3000)),
        ("65,535 counted, one there", with(u16::MAX, 1)),
        ("none counted, one there", with(0, 1)),
        ("one counted, none there", with(1, 0)),
    ];
    for (name, message) in messages {
        let answer = ask_tcp(&addr, &message);
        findings.add(format!("{name} over TCP"), answer.and_then(|answer| is_refusal(&answer, &message)));
        if message.len() <= 1400 {
            let answer = ask_udp(&addr, &message)?.context("no answer");
            findings.add(format!("{name} over UDP"), answer.and_then(|answer| is_refusal(&answer, &message)));
        }
    }
    findings.add("a valid one after them", answers(&addr));
    findings.verdict()
}

/// FORMERR with the same id, and without the questions: an attacker gains nothing from many questions.
fn is_refusal(answer: &[u8], message: &[u8]) -> Result<()> {
    ensure!(answer.len() >= 12, "an answer of {} bytes", answer.len());
    ensure!(answer[..2] == message[..2] && answer[2] & 0x80 != 0, "no response to this id: {answer:02x?}");
    ensure!(answer[3] & 15 == 1, "response code {}, not 1 (FORMERR)", answer[3] & 15);
    ensure!(answer.len() <= 12 + 11, "{} bytes, more than a header", answer.len());
    Ok(())
}

/// Messages of all lengths on one connection: each reply has its own length prefix, so that the stream stays in step.
fn lengths(world: &World) -> Result<()> {
    let (_server, addr) = start(world)?;
    let mut stream = connect(&addr)?;
    // 8,000 questions, each a pointer to the name of the first one.
    let mut crowd = query(&["small", "test"], A, None);
    crowd[4..6].copy_from_slice(&8000_u16.to_be_bytes());
    for _ in 1..8000 {
        crowd.extend([0xc0, 12, 0, 1, 0, 1]);
    }
    let asked = [
        query(&["small", "test"], A, None),
        crowd,
        query(&["64800", "txt", "test"], TXT, None),
        query(&["64800", "txt", "test"], TXT, Some(512)),
        query(&["missing", "example"], A, None),
        query(&["small", "test"], A, None),
    ];
    for (id, message) in (1_u16..).zip(asked) {
        let mut message = message;
        message[..2].copy_from_slice(&id.to_be_bytes());
        let answer = exchange(&mut stream, &message).with_context(|| format!("message {id}"))?;
        ensure!(
            answer.starts_with(&id.to_be_bytes()),
            "out of step at message {id}: {:02x?}",
            &answer[..answer.len().min(4)]
        );
    }
    Ok(())
}

fn damaged(world: &World) -> Result<()> {
    let (server, addr) = start(world)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(&addr)?;
    let good = query(&["4000", "txt", "test"], TXT, Some(1232));
    let name = |bytes: &[u8]| {
        let mut message = good[..12].to_vec();
        message.extend_from_slice(bytes);
        message.extend([0, 1, 0, 1]);
        let _ = socket.send(&message);
    };
    // A pointer to itself, two to each other, one past the end, one into the header; labels that are too long.
    name(&[0xc0, 12]);
    name(&[0xc0, 14, 0xc0, 12]);
    name(&[0xff, 0xff]);
    name(&[0xc0, 0]);
    name(&[63]);
    name(&[0x40, 1, 2]);
    name(&[1; 255]);
    let mut random = 1_u32;
    for length in (0..600).chain(0..600) {
        let mut junk: Vec<u8> = good.iter().copied().cycle().take(length).collect();
        for byte in &mut junk {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if random >> 24 < 40 {
                *byte = (random >> 16) as u8;
            }
        }
        let _ = socket.send(&junk);
    }
    answers(&addr)?;
    ensure!(server.is_alive(), "it has exited: {:?}", server.printed());
    ensure!(!server.printed().contains("panicked"), "it panicked: {:?}", server.printed());
    Ok(())
}

fn silent(world: &World) -> Result<()> {
    let (_server, addr) = start(world)?;
    let crowd = (0..600).map(|_| connect(&addr)).collect::<Result<Vec<_>>>()?;
    let result = answers(&addr);
    drop(crowd);
    result
}

fn deaf(world: &World) -> Result<()> {
    let (_server, addr) = start(world)?;
    let mut message = query(&["64800", "txt", "test"], TXT, None);
    message.splice(0..0, (message.len() as u16).to_be_bytes());
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(&addr)?;
        // Far more replies than the queues of both kernels hold.
        stream.set_nonblocking(true)?;
        for _ in 0..200 {
            let _ = stream.write(&message);
        }
        crowd.push(stream);
    }
    let result = answers(&addr);
    drop(crowd);
    result
}

fn warning(world: &World) -> Result<()> {
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let server = world.echoctl(&["dns", "--addr", addr]).start()?;
        let is_printed = wait_until(STARTING, || {
            let printed = server.printed().to_lowercase();
            printed.contains("loopback") || printed.contains("every host") || printed.contains("any host")
        });
        ensure!(is_printed, "no warning at {addr} about who can query it: {:?}", server.printed());
    }
    Ok(())
}

/// A valid question gets a reply, over both.
fn answers(addr: &str) -> Result<()> {
    let message = query(&["small", "test"], A, None);
    // A datagram may be lost where many were sent, so there are several tries.
    let over_udp = (0..5).find_map(|_| ask_udp(addr, &message).ok().flatten());
    ensure!(over_udp.is_some_and(|answer| answer[3] & 15 == 0), "no reply to a valid question over UDP");
    let answer = ask_tcp(addr, &message).context("no reply to a valid question over TCP")?;
    ensure!(answer[3] & 15 == 0, "response code {} to a valid question over TCP", answer[3] & 15);
    Ok(())
}

fn ask_udp(addr: &str, message: &[u8]) -> Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(addr)?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.send(message)?;
    let mut answer = vec![0; 65_536];
    Ok(socket.recv(&mut answer).ok().map(|length| {
        answer.truncate(length);
        answer
    }))
}

fn ask_tcp(addr: &str, message: &[u8]) -> Result<Vec<u8>> {
    exchange(&mut connect(addr)?, message)
}

fn connect(addr: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
    Ok(stream)
}

fn exchange(stream: &mut TcpStream, message: &[u8]) -> Result<Vec<u8>> {
    stream.write_all(&u16::try_from(message.len())?.to_be_bytes())?;
    stream.write_all(message)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).context("no answer")?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).context("an answer shorter than its length")?;
    ensure!(answer.len() >= 12, "an answer of {} bytes", answer.len());
    Ok(answer)
}

/// A query with one question, and with an EDNS record if a size is given.
fn query(labels: &[&str], kind: u16, edns: Option<u16>) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    for label in labels {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    if let Some(size) = edns {
        message.extend([0, 0, 41]);
        message.extend(size.to_be_bytes());
        message.extend([0; 6]);
    }
    message
}

/// Record types.
const A: u16 = 1;
const TXT: u16 = 16;

/// Maximum time for a reply on a busy machine; shorter than the time after which silent peers are disconnected.
const REPLY_TIMEOUT: Duration = Duration::from_secs(8);
