//! `handshake`: bind, listen, connect, accept. The kernel completes the handshake by itself; `accept` only hands over a
//! connection that is there already, with what has arrived on it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use echoctl_observe::{TcpInfo, TcpState};
use echoctl_record::Seconds;
use serde::Serialize;
use socket2::Socket;

use crate::kit::kernel::socket_state;
use crate::kit::measure::{accept, connect, loopback, tcp_socket, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, count};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "handshake",
    idea: "the kernel completes the handshake before accept; the backlog",
    question: Question {
        text: "A server has called bind and listen, and is busy: it has not called accept. A client calls connect and \
               writes 5 bytes. What happens?",
        choices: &[
            "connect waits until the server calls accept",
            "connect is refused, since nobody accepts",
            "connect and write succeed at once, and the bytes wait on the server's side",
        ],
    },
    code: Code {
        source: include_str!("handshake.rs"),
        node: Some(
            "const server = net.createServer();\n\
             server.listen({ host: '127.0.0.1', port: 1234 });   // bind and listen; the kernel takes connections from here\n\
             server.on('connection', newConnection);             // accept: called once for each connection",
        ),
    },
    next: &[
        ("echoctl lesson sockets", "the other end of it: handles, and running out of them"),
        ("ss -tln", "listening sockets; Recv-Q is the connections not yet accepted, Send-Q the backlog"),
        ("echoctl lesson half-close", "how a connection ends"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Before accept.
    client_state: String,
    server_state: String,
    bytes_waiting: u64,
    /// The file behind the server's end: 0, since no program holds it.
    server_inode: u32,
    segments_out: Option<u32>,
    segments_in: Option<u32>,
    /// What accept submission over was read whole.
    read_after_accept: usize,
    /// The number given to `listen`, the clients that tried, and those that got a connection while nobody accepted.
    backlog: u32,
    clients: usize,
    connected_before_accept: usize,
    /// From one accept to the next client that gets in.
    seconds_until_next: f64,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let listener = tcp_socket(None, None)?;
    listener.bind(&loopback().into())?;
    // Sabotage: without listen the kernel takes no connection.
    if !setting.sabotage {
        listener.listen(16)?;
    }
    let listener = TcpListener::from(listener);
    let addr = listener.local_addr()?;

    // Nobody has called accept.
    let mut client = match connect(addr) {
        Ok(client) => client,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(refused()),
        Err(error) => return Err(error.into()),
    };
    let handshake = TcpInfo::of(&client)?;
    client.write_all(b"hello")?;
    let waiting = until("the 5 bytes wait on the server's side", || {
        Ok(socket_state(addr, client.local_addr()?)?.filter(|end| end.receive_queue == 5))
    })?;

    // Now accept: it takes a connection that has long been there.
    let mut accepted = accept(&listener, client.local_addr()?)?;
    let mut room = [0; 64];
    let read = accepted.read(&mut room)?;

    let (connected, seconds_until_next) = full_backlog()?;
    Ok(finding(&Evidence {
        client_state: handshake.state.to_string(),
        server_state: waiting.state.to_string(),
        bytes_waiting: waiting.receive_queue,
        server_inode: waiting.inode,
        segments_out: handshake.segs_out,
        segments_in: handshake.segs_in,
        read_after_accept: read,
        backlog: BACKLOG,
        clients: CLIENTS,
        connected_before_accept: connected,
        seconds_until_next,
    }))
}
// [/show]

/// Lets more clients connect than the backlog holds, then accepts one. Returns how many had got in before, and how long
/// it took until the next did.
fn full_backlog() -> Result<(usize, f64), LessonError> {
    let listener = tcp_socket(None, None)?;
    listener.bind(&loopback().into())?;
    listener.listen(BACKLOG as i32)?;
    let listener = TcpListener::from(listener);
    let clients =
        (0..CLIENTS).map(|_| begin_to_connect(listener.local_addr()?)).collect::<Result<Vec<_>, _>>()?;
    let connected = || -> Result<usize, LessonError> {
        let states = clients
            .iter()
            .map(|client| Ok(TcpInfo::of(client)?.state))
            .collect::<Result<Vec<_>, LessonError>>()?;
        Ok(states.into_iter().filter(|&state| state == TcpState::Established).count())
    };
    let before =
        until("a client is connected", || Ok(Some(connected()?).filter(|&connected| connected > 0)))?;

    let _one = listener.accept()?;
    let accepted = Instant::now();
    until("the next client gets in", || Ok(Some(()).filter(|()| connected().is_ok_and(|now| now > before))))?;
    Ok((before, accepted.elapsed().as_secs_f64()))
}

/// Sends the first segment of the handshake and does not wait for the answer.
fn begin_to_connect(addr: SocketAddr) -> Result<Socket, LessonError> {
    let socket = tcp_socket(None, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&addr.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Err(error.into()), // no port is left
        // EINPROGRESS on Unix has no kind of its own; a socket that is really refused shows it in its state.
        Err(_) => Ok(socket),
    }
}

/// What is found when the server does not listen.
fn refused() -> Finding {
    let nothing = Evidence {
        client_state: "CLOSED".to_owned(),
        server_state: "CLOSED".to_owned(),
        bytes_waiting: 0,
        server_inode: 0,
        segments_out: None,
        segments_in: None,
        read_after_accept: 0,
        backlog: 0,
        clients: 1,
        connected_before_accept: 0,
        seconds_until_next: 0.0,
    };
    Finding::new(&nothing).measured('b').claim("connect succeeds before accept", false, "connect was refused")
}

fn finding(e: &Evidence) -> Finding {
    let number =
        |count: Option<u32>| count.map_or_else(|| "not visible".to_owned(), |count| count.to_string());
    let finding = Finding::new(e)
        .table(
            Table::new(["before accept", "client's end", "server's end"])
                .row(["state", &e.client_state, &e.server_state])
                .row(["bytes waiting to be read", "0", &e.bytes_waiting.to_string()])
                .row(["held by a program", "yes", if e.server_inode == 0 { "no, by the kernel alone" } else { "yes" }])
                .row(["segments sent for the handshake", &number(e.segments_out), &number(e.segments_in)]),
        )
        .table(Table::new(["a full backlog", ""]).row(["listen(backlog)".to_owned(), e.backlog.to_string()]).row([
            format!("connected, of {} clients, nobody accepting", e.clients),
            e.connected_before_accept.to_string(),
        ]).row(["from one accept to the next client in".to_owned(), Seconds(e.seconds_until_next).to_string()]))
        .explain(format!(
            "Before accept was called both ends were {}, and {} from the client waited in the server's receive queue. The \
             handshake is the kernel's work: the client's segment (SYN), the server's answer (SYN and ACK), the client's \
             confirmation (ACK): {} out and {} in at the client. No program holds the server's end yet.",
            e.client_state,
            count(e.bytes_waiting, "byte"),
            number(e.segments_out),
            number(e.segments_in),
        ))
        .explain(format!(
            "accept takes the first connection from a queue of finished ones and makes it a socket of the program; the \
             {} came with it. So a client that is connected knows only that the kernel is there: the program may be \
             busy, stuck, or never come.",
            count(e.read_after_accept as u64, "byte"),
        ))
        .explain(format!(
            "That queue has a limit, the backlog. With listen({}) {} of {} clients got in (Linux takes one more than the \
             number). The others are not refused: their first segment is ignored, and they send it again, after about 1, \
             3, 7 seconds. So after one accept it took {} until the next was in. Backlog {} does not mean {}: it is how \
             many may wait to be accepted.",
            e.backlog,
            e.connected_before_accept,
            e.clients,
            Seconds(e.seconds_until_next),
            e.backlog,
            count(e.backlog, "connection"),
        ))
        .claim(
            "both ends are established before accept",
            e.client_state == "ESTABLISHED" && e.server_state == "ESTABLISHED",
            format!("{} and {}", e.client_state, e.server_state),
        )
        .claim("what the client wrote waits", e.bytes_waiting == 5, count(e.bytes_waiting, "byte"))
        .claim("no program holds the server's end", e.server_inode == 0, match e.server_inode {
            0 => "its socket has no file".to_owned(),
            inode => format!("file {inode}"),
        })
        .claim(
            "a full backlog keeps clients out until one is accepted",
            (1..e.clients).contains(&e.connected_before_accept),
            format!("{} of {} in", e.connected_before_accept, e.clients),
        );
    finding.measured('c')
}

/// What `listen` is told in the second part.
const BACKLOG: u32 = 1;

/// Clients of the second part: some get in, some do not.
const CLIENTS: usize = 6;
