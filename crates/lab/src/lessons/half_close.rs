//! `half-close`: each direction of a connection is closed separately. A FIN announces "no more data"; the reader sees it as
//! a read of zero bytes (EOF). A reset, in contrast, aborts both directions.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use echoctl_observe::{TcpInfo, TcpState};
use echoctl_record::{Bytes, count};
use echoctl_report::Table;
use serde::Serialize;

use crate::kit::loopback::{TIMEOUT, connection, is_not_now, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "half-close",
    idea: "FIN closes one direction; EOF is a read of zero bytes; resets",
    question: Question {
        text: "A client has sent all its data and shuts down its sending side: shutdown(SHUT_WR), which sends a FIN. What can \
               the server still do on this connection?",
        choices: &[
            "nothing: both directions are closed",
            "read what was sent before, but not write any more",
            "read to the end, and write as much as it likes",
        ],
    },
    code: Code {
        source: include_str!("half_close.rs"),
        node: Some(
            "const server = net.createServer({ allowHalfOpen: true });   // else Node closes the other direction by itself\n\
             socket.on('end', () => { /* EOF: the peer sends no more data. We may still write. */ });\n\
             socket.end();                                               // our FIN\n\n\
             // A read returns data, EOF or an error. Settle a pending promise in each case, or it hangs for ever:\n\
             socket.on('error', err => { if (conn.reader) { conn.reader.reject(err); conn.reader = null; } });",
        ),
    },
    next: &[
        (
            "printf 'one\\ntwo\\n' | echoctl send",
            "half-closes at the end of its input and keeps reading (first start echoctl serve)",
        ),
        (
            "ss -tan | grep -E 'FIN-WAIT|CLOSE-WAIT'",
            "a CLOSE-WAIT that stays belongs to a program that forgot to close",
        ),
        ("echoctl lesson write", "what is lost when the peer exits"),
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
    /// Bytes that the client received after its own FIN.
    bytes_after_fin: usize,
    /// With a FIN queued behind data that the server does not read.
    stalled_client_state: String,
    stalled_server_state: String,
    stalled_bytes: usize,
    /// The server closes with unread input: bytes written, and bytes that arrived before the reset.
    reset_written: usize,
    reset_arrived: usize,
    reset_after: bool,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let (mut client, mut server) = connection()?;
    client.write_all(b"all I have")?;
    let before = TcpInfo::of(&client)?.segs_out;
    // Sabotage: the client shuts down both directions, as close does.
    client.shutdown(if setting.sabotage { Shutdown::Both } else { Shutdown::Write })?;

    server.read_exact(&mut [0; 10])?; // what was sent before
    let eof_read = server.read(&mut [0; 64])?; // 0: EOF; every further read returns 0, too
    let client_state = until("the FIN is acknowledged", || state_other_than(&client, TcpState::FinWait1))?;
    let server_state = TcpInfo::of(&server)?.state;
    let fin_segments = TcpInfo::of(&client)?.segs_out.zip(before).map(|(now, before)| now - before);

    let sent = server.write_all(&[b'x'; AFTER_FIN]); // the other direction is still open
    drop(server); // sends a FIN in that direction
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

/// Shuts down a direction that is full of data which the server does not read. Returns both states, and the bytes queued
/// before the FIN.
fn fin_behind_data() -> Result<(TcpState, TcpState, usize), LessonError> {
    let (client, mut server) = connection()?;
    client.set_nonblocking(true)?;
    let mut written = 0;
    loop {
        match (&client).write(&[b'x'; 1 << 16]) {
            Ok(accepted) => written += accepted,
            Err(error) if is_not_now(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    client.shutdown(Shutdown::Write)?;
    let states = (TcpInfo::of(&client)?.state, TcpInfo::of(&server)?.state);

    // The FIN is not lost: a reader that reads everything sees it.
    let mut read = Vec::new();
    server.set_read_timeout(Some(TIMEOUT))?;
    server.read_to_end(&mut read)?;
    match read.len() == written {
        true => Ok((states.0, states.1, written)),
        false => Err(LessonError::Part(format!("read to EOF: got {} of {written} bytes", read.len()))),
    }
}

/// A server that writes a lot and closes without reading its input. Returns the number of bytes that the client could
/// read, and whether the connection was reset.
fn close_with_unread_input() -> Result<(usize, bool), LessonError> {
    let (mut client, mut server) = connection()?;
    client.write_all(b"never read")?;
    server.write_all(&vec![b'x'; RESET_WRITTEN])?;
    until("the input has arrived", || {
        Ok(echoctl_observe::receive_queue(&server).ok().filter(|&unread| unread > 0))
    })?;
    drop(server);

    client.set_read_timeout(Some(TIMEOUT))?;
    let (mut arrived, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return Ok((arrived, false)),
            Ok(read) => arrived += read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok((arrived, true)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The state of a socket, once it is no longer `left`.
fn state_other_than(socket: &TcpStream, left: TcpState) -> Result<Option<TcpState>, LessonError> {
    Ok(Some(TcpInfo::of(socket)?.state).filter(|&state| state != left))
}

fn finding(e: &Evidence) -> Finding {
    let bytes = |number: usize| Bytes(number as u64);
    let (after_fin, stalled) = (bytes(e.bytes_after_fin), bytes(e.stalled_bytes));
    let (written, arrived) = (bytes(e.reset_written), bytes(e.reset_arrived));
    Finding::new(e)
        .table(
            Table::new("", ["state", "meaning"])
                .row(["FIN-WAIT-1", "FIN sent or queued, not acknowledged yet"])
                .row(["FIN-WAIT-2", "FIN acknowledged"])
                .row(["CLOSE-WAIT", "FIN received, not closed yet"])
                .row(["ESTABLISHED", "no FIN sent or received"]),
        )
        .table(
            Table::new("", ["", "client's end", "server's end"])
                .row(["after the client's FIN", &e.client_state, &e.server_state])
                .row(["FIN queued behind unread data", &e.stalled_client_state, &e.stalled_server_state]),
        )
        .table(
            Table::new("", ["", "bytes"])
                .row(["returned by the server's read at EOF", &bytes(e.eof_read).to_string()])
                .row(["read by the client after its own FIN", &after_fin.to_string()])
                .row(["written by a server that closes without reading its input", &written.to_string()])
                .row(["... of which the client could read", &arrived.to_string()]),
        )
        .explain("In short: a FIN closes one direction. The other direction stays open until the peer sends its FIN, too.")
        .explain(format!(
            "The FIN was {}, and it closed one direction. The server learned of it by reading: a read that returns {} bytes \
             is EOF. Now the client was in {} and the server in {}. The connection was half-closed. The server kept writing, \
             and all {after_fin} reached the client after the client's FIN.",
            e.fin_segments.map_or_else(|| "a segment".to_owned(), |number| count(number, "segment")),
            e.eof_read,
            e.client_state,
            e.server_state,
        ))
        .explain(
            "A half-close means \"my request is complete, now send the rest of your answer\". So an echo server must not close \
             as soon as it reads EOF: pending replies must be written first. CLOSE-WAIT lasts until the program closes its \
             end. If it stays, the program has a bug (it forgot to close).",
        )
        .explain(format!(
            "A FIN is queued behind the data. With {stalled} of unread data before it, the client was in {} and the server still in \
             {}: the FIN had not reached it. A program learns of EOF only by reading.",
            e.stalled_client_state, e.stalled_server_state,
        ))
        .explain(format!(
            "A read returns data, EOF or an error. A server wrote {written} and closed while input from the client was still unread. \
             That sent a reset (RST) instead of a FIN. The client could read {arrived}, and then its read failed with \"connection \
             reset\". The rest was lost, although the server's write had succeeded. So read to EOF before you close.",
        ))
        .claim(
            "one direction is closed: FIN-WAIT-2 and CLOSE-WAIT",
            e.client_state == "FIN-WAIT-2" && e.server_state == "CLOSE-WAIT",
            format!("client {}, server {}", e.client_state, e.server_state),
        )
        .claim("EOF is a read of zero bytes", e.eof_read == 0, format!("{} bytes", e.eof_read))
        .claim(
            "the other direction still carries data",
            e.bytes_after_fin == AFTER_FIN,
            format!("{after_fin} of {}", bytes(AFTER_FIN)),
        )
        .claim(
            "a FIN is queued behind unread data",
            e.stalled_client_state == "FIN-WAIT-1" && e.stalled_server_state == "ESTABLISHED",
            format!("client {}, server {}", e.stalled_client_state, e.stalled_server_state),
        )
        .claim(
            "a close with unread input sends a reset and loses data",
            e.reset_after && e.reset_arrived < e.reset_written,
            format!("{}, {arrived} of {written} arrived", if e.reset_after { "reset" } else { "no reset" }),
        )
        .measured((e.bytes_after_fin > 0).then_some('c'))
}

/// Bytes written by the server after the client's FIN.
const AFTER_FIN: usize = 100 << 10;

/// Bytes written by the server that closes with unread input: more than the client's initial receive window.
const RESET_WRITTEN: usize = 300 << 10;
