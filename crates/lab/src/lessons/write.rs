//! `write`: a write completes when the operating system has accepted the bytes. The peer has not read them, and may never
//! read them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use echoctl_observe::{TcpInfo, TcpState, receive_queue, send_queue};
use echoctl_record::Bytes;
use echoctl_report::Table;
use serde::Serialize;

use crate::kit::loopback::{connection, settled, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "write",
    idea: "a completed write was accepted by the OS, not read by the peer",
    question: Question {
        text: "A program writes 1 MiB to a TCP connection, and write reports success. What does the program know now?",
        choices: &[
            "the peer's program has read the data",
            "the peer's kernel has received the data",
            "its own kernel has accepted the data, nothing more",
        ],
    },
    code: Code {
        source: include_str!("write.rs"),
        node: Some(
            "socket.write(data, err => {\n    \
                 // called when the kernel has accepted the data; the peer may never read it\n\
             });\n\n\
             function soWrite(conn, data) {           // resolves when the OS has accepted the data\n    \
                 return new Promise((resolve, reject) => {\n        \
                     if (conn.err) { reject(conn.err); return; }\n        \
                     conn.socket.write(data, err => err ? reject(err) : resolve());\n    \
                 });\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson send-buffer", "what happens when the kernel accepts no more"),
        (
            "echoctl flood --no-read",
            "where the bytes are, live, between a client and a server (first start echoctl serve)",
        ),
        ("echoctl watch PORT", "the same queues of a running server, and who does not read"),
        (
            "echoctl lesson half-close",
            "how to know that the peer has read everything: it answers, or closes its side",
        ),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    written: u64,
    /// Where the bytes were after write had returned and the queues had settled.
    in_own_send_queue: Option<u64>,
    in_peers_receive_queue: u64,
    read_by_peer: u64,
    /// Error of the next write, after the peer had closed.
    next_write_error: String,
    /// Duration of the successful write.
    write_seconds: f64,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let (mut writer, mut peer) = connection()?;
    let started = std::time::Instant::now();
    writer.write_all(&vec![b'x'; WRITTEN])?; // success: the kernel has accepted all of it
    let write_seconds = started.elapsed().as_secs_f64();
    let (own, peers) = queues_at_rest(&writer, &peer)?; // and this is where the bytes are

    // Sabotage: the peer does read.
    let read_by_peer = if setting.sabotage { read_all(&mut peer)? } else { 0 };
    drop(peer); // the peer's program closes without reading

    until("the reset has arrived", || Ok(Some(()).filter(|()| is_closed(&writer))))?;
    let next = writer.write(b"and more"); // the writer finds out only now
    Ok(finding(&Evidence {
        written: WRITTEN as u64,
        in_own_send_queue: own,
        in_peers_receive_queue: peers,
        read_by_peer,
        next_write_error: next.err().map_or_else(String::new, |error| error.to_string()),
        write_seconds,
    }))
}
// [/show]

/// The bytes in both queues, once they have stopped changing.
fn queues_at_rest(writer: &TcpStream, peer: &TcpStream) -> Result<(Option<u64>, u64), LessonError> {
    let queues = || Ok(Some((send_queue(writer)?, receive_queue(peer)?)));
    Ok(settled("both queues stop changing", STILL, queues)?.0)
}

fn is_closed(socket: &TcpStream) -> bool {
    TcpInfo::of(socket).is_ok_and(|info| !matches!(info.state, TcpState::Established))
}

/// Reads everything that was written.
fn read_all(peer: &mut TcpStream) -> Result<u64, LessonError> {
    let mut buffer = vec![0; WRITTEN];
    peer.read_exact(&mut buffer)?;
    Ok(buffer.len() as u64)
}

fn finding(e: &Evidence) -> Finding {
    let [written, peers, read] = [e.written, e.in_peers_receive_queue, e.read_by_peer].map(Bytes);
    let own =
        e.in_own_send_queue.map_or_else(|| "not visible here".to_owned(), |bytes| Bytes(bytes).to_string());
    Finding::new(e)
        .table(
            Table::new("", ["where the bytes are after write succeeded", "bytes"])
                .row(["written", &written.to_string()])
                .row(["in the writer's send queue (kernel)", &own])
                .row(["in the peer's receive queue (kernel)", &peers.to_string()])
                .row(["read by the peer's program", &read.to_string()]),
        )
        .explain("In short: a successful write means that your kernel accepted the bytes, not that the peer read them.")
        .explain(format!(
            "The write of {written} succeeded before the peer's program had read anything. {own} were in the writer's send \
             queue and {peers} in the peer's receive queue, both in the kernel. \"Completed\" means that the operating system has accepted the \
             bytes and that the program may reuse its buffer. It does not mean that they were delivered.",
        ))
        .explain(format!(
            "Then the peer's program closed the connection. All of the data was lost, although the write had succeeded. The \
             writer found out only on its next call: \"{}\". If it had closed instead of writing again, it would never have \
             known.",
            e.next_write_error,
        ))
        .explain(
            "If you need to know that the data arrived, have the peer's program acknowledge it: with an answer to each message, or by \
             closing its side when it has read everything. Also, write only appends to a queue, so a program that writes \
             faster than the peer reads eventually finds it full. The lesson send-buffer shows what happens then.",
        )
        .claim(
            "write succeeds although nothing has been read",
            e.written > 0 && e.read_by_peer == 0,
            format!("{written} written, {read} read"),
        )
        .claim(
            "the bytes are in the two kernels",
            e.in_own_send_queue.is_none_or(|own| own > 0 && own + e.in_peers_receive_queue >= e.written),
            format!("the writer's {own}, the peer's {peers}"),
        )
        .claim(
            "the next call reports the loss",
            !e.next_write_error.is_empty(),
            if e.next_write_error.is_empty() { "no error".to_owned() } else { e.next_write_error.clone() },
        )
        .measured(if e.read_by_peer == 0 { 'c' } else { 'a' })
}

/// Bytes written: more than the peer's kernel accepts while its program does not read (about 128 KiB), and less than the
/// writer's own kernel accepts (4 MiB).
const WRITTEN: usize = 1 << 20;

/// Time in which neither queue may change.
const STILL: Duration = Duration::from_millis(200);
