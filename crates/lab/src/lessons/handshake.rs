//! `handshake`: bind, listen, connect, accept. The kernel completes the handshake by itself; `accept` only returns a
//! connection that already exists, together with the bytes that have arrived on it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use echoctl_observe::{TcpInfo, TcpState};
use echoctl_record::{Seconds, count};
use echoctl_report::{Table, shown};
use serde::Serialize;
use socket2::Socket;

use crate::kit::kernel::socket_state;
use crate::kit::loopback::{accept, connect, loopback, tcp_socket, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "handshake",
    idea: "the kernel completes the handshake before accept; the backlog",
    question: Question {
        text: "A server has called bind and listen, and is busy: it has not called accept. A client calls connect and \
               writes 5 bytes. What happens?",
        choices: &[
            "connect waits until the server calls accept",
            "connect is refused, because the server does not accept",
            "connect and write succeed immediately, and the bytes wait in the server's kernel",
        ],
    },
    code: Code {
        source: include_str!("handshake.rs"),
        node: Some(
            "const server = net.createServer();\n\
             server.listen({ host: '127.0.0.1', port: 1234 });   // bind and listen: clients can connect from here on\n\
             server.on('connection', newConnection);             // accept: called once per connection",
        ),
    },
    next: &[
        ("echoctl lesson sockets", "file descriptors, and what happens when they run out"),
        (
            "ss -tln",
            "listening sockets; Recv-Q is the length of the accept queue, Send-Q the backlog (its limit)",
        ),
        ("echoctl lesson half-close", "how a connection ends"),
    ],
    before: None,
    run,
};

#[derive(Serialize, Default)]
struct Evidence {
    /// Before accept.
    client_state: String,
    server_state: String,
    bytes_waiting: u64,
    /// Inode of the server's end: 0, because no process has a descriptor for it.
    server_inode: u32,
    segments_out: Option<u32>,
    segments_in: Option<u32>,
    /// Bytes returned by the first read after accept.
    read_after_accept: usize,
    /// The argument of `listen`, the number of clients that tried to connect, and of those that did before any accept.
    backlog: u32,
    clients: usize,
    connected_before_accept: usize,
    /// Time from one accept until the next client is connected.
    seconds_until_next: f64,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let listener = tcp_socket(None, None)?;
    listener.bind(&loopback().into())?;
    // Sabotage: without listen the kernel refuses connections.
    if !setting.sabotage {
        listener.listen(16)?;
    }
    let listener = TcpListener::from(listener);
    let addr = listener.local_addr()?;

    // The server has not called accept.
    let mut client = match connect(addr) {
        Ok(client) => client,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(refused()),
        Err(error) => return Err(error.into()),
    };
    let handshake = TcpInfo::of(&client)?;
    client.write_all(b"hello")?;
    let waiting = until("the 5 bytes are in the server's receive queue", || {
        Ok(socket_state(addr, client.local_addr()?)?.filter(|end| end.receive_queue == 5))
    })?;

    // Now accept: it returns a connection that already exists.
    let mut accepted = accept(&listener, client.local_addr()?)?;
    let mut buffer = [0; 64];
    let read = accepted.read(&mut buffer)?;

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

/// Starts more connections than the backlog holds, then accepts one. Returns the number of clients that were connected
/// before, and the time until the next one was.
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
    until("the next client is connected", || {
        Ok(Some(()).filter(|()| connected().is_ok_and(|now| now > before)))
    })?;
    Ok((before, accepted.elapsed().as_secs_f64()))
}

/// Sends the SYN and does not wait for the answer.
fn begin_to_connect(addr: SocketAddr) -> Result<Socket, LessonError> {
    let socket = tcp_socket(None, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&addr.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Err(error.into()), // no port is left
        // EINPROGRESS has no ErrorKind of its own; a connection that really fails shows it in its state.
        Err(_) => Ok(socket),
    }
}

/// The finding when the server does not listen.
fn refused() -> Finding {
    let closed = || "CLOSED".to_owned();
    let nothing =
        Evidence { client_state: closed(), server_state: closed(), clients: 1, ..Evidence::default() };
    Finding::new(&nothing).measured('b').claim("connect succeeds before accept", false, "connect was refused")
}

fn finding(e: &Evidence) -> Finding {
    Finding::new(e)
        .table(
            Table::new("", ["before accept", "client's end", "server's end"])
                .row(["state", &e.client_state, &e.server_state])
                .row(["bytes waiting to be read", "0", &e.bytes_waiting.to_string()])
                .row(["a process has a descriptor for it", "yes", if e.server_inode == 0 { "no, not yet" } else { "yes" }])
                .row(["segments sent in the handshake", &shown(e.segments_out), &shown(e.segments_in)]),
        )
        .table(Table::new("", ["a full accept queue", ""]).row(["listen(backlog)".to_owned(), e.backlog.to_string()]).row([
            format!("connected before accept, of {} clients", e.clients),
            e.connected_before_accept.to_string(),
        ]).row(["next client connected after one accept".to_owned(), Seconds(e.seconds_until_next).to_string()]))
        .explain("In short: the kernel completes the handshake; accept only returns a connection that already exists.")
        .explain(format!(
            "Before the server called accept, both ends were {}, and {} from the client waited in the server's receive queue. \
             The kernels do the handshake: the client sends SYN, the server answers SYN-ACK, the client confirms with ACK. \
             At the client that is {} out and {} in. No process has a descriptor for the server's end yet.",
            e.client_state,
            count(e.bytes_waiting, "byte"),
            e.segments_out.map_or_else(|| "some segments".to_owned(), |number| count(number, "segment")),
            shown(e.segments_in),
        ))
        .explain(format!(
            "accept takes the first connection from the accept queue (completed connections that wait to be accepted) \
             and gives the program a file descriptor for it. The {} came with it. So a connected client knows only that \
             the server's kernel answered. The server program may be busy or hung, and may never call accept.",
            count(e.read_after_accept as u64, "byte"),
        ))
        .explain(format!(
            "The accept queue has a limit, the backlog. With listen({}), {} of {} clients were connected (Linux admits \
             one more than the argument). The others are not refused. Their SYN is dropped, and they retransmit it after \
             about 1, 3 and 7 seconds. So the next client got in {} after the accept. A backlog of {} does not mean at \
             most {}: it is the number of connections that may wait to be accepted.",
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
            format!("client {}, server {}", e.client_state, e.server_state),
        )
        .claim("the client's bytes wait in the server's kernel", e.bytes_waiting == 5, count(e.bytes_waiting, "byte"))
        .claim("no process has a descriptor for the server's end", e.server_inode == 0, match e.server_inode {
            0 => "none".to_owned(),
            inode => format!("inode {inode}"),
        })
        .claim(
            "a full accept queue keeps clients out until one is accepted",
            (1..e.clients).contains(&e.connected_before_accept),
            format!("{} of {} connected", e.connected_before_accept, e.clients),
        )
        .measured('c')
}

/// The argument of `listen` in the second part.
const BACKLOG: u32 = 1;

/// Number of clients in the second part: more than the backlog admits.
const CLIENTS: usize = 6;
