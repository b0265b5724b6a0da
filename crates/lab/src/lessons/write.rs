//! `write`: a write is complete when the operating system has taken the bytes. Nobody has read them, and perhaps nobody
//! ever will.

use std::io::{Read, Write};
use std::net::TcpStream;

use echoctl_observe::{TcpInfo, TcpState, receive_queue, send_queue};
use echoctl_record::Bytes;
use serde::Serialize;

use crate::kit::measure::{connection, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "write",
    idea: "\"write completed\" means: the OS took it. Nobody has read it",
    question: Question {
        text: "A program passes 1 MiB to write on a TCP connection, and write reports success. What does the program know \
               now?",
        choices: &[
            "the peer's program has read it",
            "the peer's kernel has received it",
            "its own kernel has taken it, nothing more",
        ],
    },
    code: Code {
        source: include_str!("write.rs"),
        node: Some(
            "socket.write(data, err => {\n    \
                 // called when the kernel has taken the data; the peer may never read it\n\
             });\n\n\
             function soWrite(conn, data) {           // a promise that is kept when the OS has taken it\n    \
                 return new Promise((resolve, reject) => {\n        \
                     if (conn.err) { reject(conn.err); return; }\n        \
                     conn.socket.write(data, err => err ? reject(err) : resolve());\n    \
                 });\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson send-buffer", "what happens when the kernel takes no more"),
        (
            "echoctl flood --no-read",
            "where the bytes are, live, between a client and a server (start echoctl serve)",
        ),
        (
            "echoctl lesson half-close",
            "how to know that the peer has read everything: its answer, or its EOF",
        ),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    written: u64,
    /// Where the bytes were when write had returned and nothing moved any more.
    in_own_send_queue: Option<u64>,
    in_peers_receive_queue: u64,
    read_by_peer: u64,
    /// What the writer was told when the peer was gone: by the next call.
    next_write_error: String,
    /// How long the successful write took.
    write_seconds: f64,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let (mut writer, mut peer) = connection()?;
    let started = std::time::Instant::now();
    writer.write_all(&vec![b'x'; WRITTEN])?; // success: the kernel has taken all of it
    let write_seconds = started.elapsed().as_secs_f64();
    let (own, peers) = settled(&writer, &peer)?; // and that is where it is

    // Sabotage: the peer does read.
    let read_by_peer = if setting.sabotage { read_all(&mut peer)? } else { 0 };
    drop(peer); // the peer's program ends without having read

    until("the news is here", || Ok(Some(()).filter(|()| is_closed(&writer))))?;
    let next = writer.write(b"and more"); // only now does the writer learn of it
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

/// The bytes in both queues, once they have stopped moving.
fn settled(writer: &TcpStream, peer: &TcpStream) -> Result<(Option<u64>, u64), LessonError> {
    let mut last = Vec::new();
    until("the bytes stop moving", || {
        last.push((send_queue(writer)?, receive_queue(peer)?));
        let (recent, _) = last.split_at(last.len().saturating_sub(STILL));
        let still =
            last.len() > STILL && last[recent.len()..].iter().all(|queues| queues == &last[last.len() - 1]);
        Ok(last.last().copied().filter(|_| still))
    })
}

fn is_closed(socket: &TcpStream) -> bool {
    TcpInfo::of(socket).is_ok_and(|info| !matches!(info.state, TcpState::Established))
}

/// Reads what was written, to the last byte.
fn read_all(peer: &mut TcpStream) -> Result<u64, LessonError> {
    let mut room = vec![0; WRITTEN];
    peer.read_exact(&mut room)?;
    Ok(room.len() as u64)
}

fn finding(e: &Evidence) -> Finding {
    let own =
        e.in_own_send_queue.map_or_else(|| "not visible here".to_owned(), |bytes| Bytes(bytes).to_string());
    let finding = Finding::new(e)
        .table(
            Table::new(["where the bytes are, after write reported success", "bytes"])
                .row(["written", &Bytes(e.written).to_string()])
                .row(["in the writer's kernel (its send queue)", &own])
                .row(["in the peer's kernel (its receive queue)", &Bytes(e.in_peers_receive_queue).to_string()])
                .row(["read by the peer's program", &Bytes(e.read_by_peer).to_string()]),
        )
        .explain(format!(
            "write of {} succeeded, {} of it had been read. {} waited in the writer's own kernel, {} in the peer's. \
             \"Completed\" means that the operating system has taken the bytes, and that the program may use its memory \
             again. It is a promise to try, not a delivery.",
            Bytes(e.written),
            Bytes(e.read_by_peer),
            own,
            Bytes(e.in_peers_receive_queue),
        ))
        .explain(format!(
            "Then the peer's program ended. All of it was lost, and the write that had succeeded stayed a success. The \
             writer learnt of it by its next call: \"{}\". Had it closed instead of writing again, it would never have \
             known.",
            e.next_write_error,
        ))
        .explain(
            "Who must know that something arrived asks the peer's program: by an answer to each message, or by reading to \
             its EOF. And because write only fills a queue, a program that writes faster than the peer reads fills that \
             queue; what happens then is the lesson send-buffer.",
        )
        .claim(
            "write succeeded and nothing was read",
            e.written > 0 && e.read_by_peer == 0,
            format!("{} written, {} read", Bytes(e.written), Bytes(e.read_by_peer)),
        )
        .claim(
            "the bytes were in the two kernels",
            e.in_own_send_queue.is_none_or(|own| own > 0 && own + e.in_peers_receive_queue >= e.written),
            format!("{own} and {}", Bytes(e.in_peers_receive_queue)),
        )
        .claim(
            "the next call reports the loss",
            !e.next_write_error.is_empty(),
            if e.next_write_error.is_empty() { "no error".to_owned() } else { e.next_write_error.clone() },
        );
    match e.read_by_peer {
        0 => finding.measured('c'),
        _ => finding.measured('a'),
    }
}

/// More than the peer's kernel takes while its program does not read (some 128 KiB), less than one's own takes (4 MiB).
const WRITTEN: usize = 1 << 20;

/// Looks, 2 ms apart, in which nothing may move.
const STILL: usize = 100;
