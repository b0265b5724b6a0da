//! `half-close`: each direction of a connection ends by itself. FIN says "I have sent all"; the reader learns it as a read
//! of zero bytes. And the end that is none: a reset.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use echoctl_observe::{TcpInfo, TcpState};
use echoctl_record::Bytes;
use serde::Serialize;

use crate::kit::measure::{TIMEOUT, connection, is_not_now, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "half-close",
    idea: "FIN ends one direction; EOF is a read of zero bytes; resets",
    question: Question {
        text: "A client has sent all that it has, and ends its direction: shutdown, which sends a FIN. What can the server \
               still do on this connection?",
        choices: &[
            "nothing: it is closed both ways",
            "read what was sent before, but write no more",
            "read to the end, and write as much as it likes",
        ],
    },
    code: Code {
        source: include_str!("half_close.rs"),
        node: Some(
            "const server = net.createServer({ allowHalfOpen: true });   // else Node ends the other direction by itself\n\
             socket.on('end', () => { /* EOF: the peer has sent all. We may still write. */ });\n\
             socket.end();                                               // our FIN\n\n\
             // A read ends in data, EOF or an error. A waiting promise must be told of each, or it waits for ever:\n\
             socket.on('error', err => { if (conn.reader) { conn.reader.reject(err); conn.reader = null; } });",
        ),
    },
    next: &[
        (
            "printf 'one\\ntwo\\n' | echoctl send",
            "it half-closes at the end of its input and reads on (start echoctl serve)",
        ),
        (
            "ss -tan | grep -E 'FIN-WAIT|CLOSE-WAIT'",
            "CLOSE-WAIT that stays is a program that forgot to close",
        ),
        ("echoctl lesson write", "what is lost when the other side is gone"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// After the client's FIN.
    client_state: String,
    server_state: String,
    fin_segments: Option<u32>,
    eof_read: usize,
    /// What came to the client after it had ended its own direction.
    bytes_after_fin: usize,
    /// FIN behind data that the server does not read.
    stalled_client_state: String,
    stalled_server_state: String,
    stalled_bytes: usize,
    /// The server closes with unread input: what was written, what arrived before the reset.
    reset_written: usize,
    reset_arrived: usize,
    reset_after: bool,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let (mut client, mut server) = connection()?;
    client.write_all(b"all I have")?;
    let before = TcpInfo::of(&client)?.segs_out;
    // Sabotage: the client ends both directions, as a plain close does.
    client.shutdown(if setting.sabotage { Shutdown::Both } else { Shutdown::Write })?;

    server.read_exact(&mut [0; 10])?; // what was sent before
    let eof_read = server.read(&mut [0; 64])?; // 0: EOF, and 0 at every further read
    let client_state = until("the FIN is acknowledged", || state_other_than(&client, TcpState::FinWait1))?;
    let server_state = TcpInfo::of(&server)?.state;
    let fin_segments = TcpInfo::of(&client)?.segs_out.zip(before).map(|(now, before)| now - before);

    let sent = server.write_all(&[b'x'; AFTER_FIN]); // the other direction is open
    drop(server); // and ends with a FIN of its own
    let mut after = Vec::new();
    let read = client.read_to_end(&mut after);
    let (stalled_client, stalled_server, stalled_bytes) = fin_behind_data()?;
    let (reset_arrived, reset_after) = close_with_unread_input()?;
    Ok(finding(&Evidence {
        client_state: client_state.to_string(),
        server_state: server_state.to_string(),
        fin_segments,
        eof_read,
        bytes_after_fin: sent.and(read).unwrap_or(0),
        stalled_client_state: stalled_client.to_string(),
        stalled_server_state: stalled_server.to_string(),
        stalled_bytes,
        reset_written: RESET_WRITTEN,
        reset_arrived,
        reset_after,
    }))
}
// [/show]

/// Ends a direction that is full of data which the server does not read. Returns both states, and the bytes in front of
/// the FIN.
fn fin_behind_data() -> Result<(TcpState, TcpState, usize), LessonError> {
    let (client, mut server) = connection()?;
    client.set_nonblocking(true)?;
    let mut written = 0;
    loop {
        match (&client).write(&[b'x'; 1 << 16]) {
            Ok(taken) => written += taken,
            Err(error) if is_not_now(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    client.shutdown(Shutdown::Write)?;
    let states = (TcpInfo::of(&client)?.state, TcpInfo::of(&server)?.state);

    // The FIN is not lost: who reads to the end finds it there.
    let mut read = Vec::new();
    server.set_read_timeout(Some(TIMEOUT))?;
    server.read_to_end(&mut read)?;
    match read.len() == written {
        true => Ok((states.0, states.1, written)),
        false => {
            Err(LessonError::Part(format!("{written} bytes written, {} read before the FIN", read.len())))
        }
    }
}

/// A server that writes much and closes without reading what was sent to it. Returns how much of it the client could
/// read, and whether a reset ended it.
fn close_with_unread_input() -> Result<(usize, bool), LessonError> {
    let (mut client, mut server) = connection()?;
    client.write_all(b"never read")?;
    server.write_all(&vec![b'x'; RESET_WRITTEN])?;
    until("the input has arrived", || {
        Ok(echoctl_observe::receive_queue(&server).ok().filter(|&unread| unread > 0))
    })?;
    drop(server);

    client.set_read_timeout(Some(TIMEOUT))?;
    let (mut arrived, mut room) = (0, vec![0; 1 << 16]);
    loop {
        match client.read(&mut room) {
            Ok(0) => return Ok((arrived, false)),
            Ok(read) => arrived += read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok((arrived, true)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The state of a socket, once it has left another.
fn state_other_than(socket: &TcpStream, left: TcpState) -> Result<Option<TcpState>, LessonError> {
    Ok(Some(TcpInfo::of(socket)?.state).filter(|&state| state != left))
}

fn finding(e: &Evidence) -> Finding {
    let finding = Finding::new(e)
        .table(
            Table::new(["", "client's end", "server's end"])
                .row(["after the client's FIN", &e.client_state, &e.server_state])
                .row(["... FIN behind data that is not read", &e.stalled_client_state, &e.stalled_server_state]),
        )
        .table(
            Table::new(["", "bytes"])
                .row(["the server's read at the end of the stream", &Bytes(e.eof_read as u64).to_string()])
                .row(["read by the client after its own FIN", &Bytes(e.bytes_after_fin as u64).to_string()])
                .row(["written by a server that closes with unread input", &Bytes(e.reset_written as u64).to_string()])
                .row(["... of which the client could read", &Bytes(e.reset_arrived as u64).to_string()]),
        )
        .explain(format!(
            "The FIN was {}, and it ended one direction. The server learnt of it by reading: a read of {} bytes is EOF. \
             Then the client was in {} and the server in {}: half-closed. The server went on, and all {} that it \
             wrote came to the client, which had long stopped sending.",
            e.fin_segments.map_or_else(|| "a segment".to_owned(), |count| format!("{count} segment")),
            e.eof_read,
            e.client_state,
            e.server_state,
            Bytes(e.bytes_after_fin as u64),
        ))
        .explain(
            "That is how \"I have asked everything, now answer\" is said. An echo server must not close when it reads EOF: it \
             still owes what it has not written. And CLOSE-WAIT lasts until the program closes: seen for long, it is a bug.",
        )
        .explain(format!(
            "A FIN stands in line behind the data: with {} before it that nobody read, the client was in {} and the \
             server still in {}, knowing nothing. EOF, too, is learnt only by reading.",
            Bytes(e.stalled_bytes as u64),
            e.stalled_client_state,
            e.stalled_server_state,
        ))
        .explain(format!(
            "A read ends in data, in EOF or in an error. A server that wrote {} and closed while input of the client \
             was unread sent no FIN but a reset (RST): the client could read {}, and then \"connection reset\". The \
             rest is lost, though write had succeeded. So read to EOF before you close.",
            Bytes(e.reset_written as u64),
            Bytes(e.reset_arrived as u64),
        ))
        .claim(
            "one direction is ended: FIN-WAIT-2 and CLOSE-WAIT",
            e.client_state == "FIN-WAIT-2" && e.server_state == "CLOSE-WAIT",
            format!("{} and {}", e.client_state, e.server_state),
        )
        .claim("EOF is a read of zero bytes", e.eof_read == 0, format!("{} bytes", e.eof_read))
        .claim(
            "the other direction still carries data",
            e.bytes_after_fin == AFTER_FIN,
            format!("{} of {}", Bytes(e.bytes_after_fin as u64), Bytes(AFTER_FIN as u64)),
        )
        .claim(
            "a FIN waits behind unread data",
            e.stalled_client_state == "FIN-WAIT-1" && e.stalled_server_state == "ESTABLISHED",
            format!("{} and {}", e.stalled_client_state, e.stalled_server_state),
        )
        .claim(
            "closing with unread input resets, and loses what was written",
            e.reset_after && e.reset_arrived < e.reset_written,
            format!(
                "{}, {} of {} arrived",
                if e.reset_after { "reset" } else { "no reset" },
                Bytes(e.reset_arrived as u64),
                Bytes(e.reset_written as u64),
            ),
        );
    match e.bytes_after_fin {
        0 => finding,
        _ => finding.measured('c'),
    }
}

/// Written by the server after the client's FIN.
const AFTER_FIN: usize = 100 << 10;

/// Written by the server that closes with unread input: more than the client's kernel takes at first.
const RESET_WRITTEN: usize = 300 << 10;
