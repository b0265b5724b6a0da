//! `sockets`: a socket is a handle of the operating system. One kind listens, one is a connection; each must be closed, for
//! there is only so much room for them, and the peer learns of the end by the close.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::ChildServer;
use crate::kit::measure::{TIMEOUT, accept, connect, loopback, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, count};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "sockets",
    idea: "listening and connection sockets; a handle not closed is a leak",
    question: Question {
        text: "A server may have 32 open descriptors (files and sockets). 60 clients connect to it, and each sends a line. \
               What do the clients see?",
        choices: &[
            "some 20 connect; the others are refused",
            "all 60 connect; some 20 get an answer, the others wait",
            "all 60 connect and get an answer, one after the other",
        ],
    },
    code: Code {
        source: include_str!("sockets.rs"),
        node: Some(
            "const server = net.createServer();            // one listening socket\n\
             server.on('connection', socket => {           // a new socket for each connection\n    \
                 // whoever takes the handle must see to its end: socket.end() or socket.destroy()\n\
             });",
        ),
    },
    next: &[
        ("ls -l /proc/$(pgrep -n echoctl)/fd", "the handles of a running server, sockets among them"),
        ("(ulimit -n 32; echoctl serve)", "the server of this lesson, to try it by hand"),
        ("echoctl lesson handshake", "why a client is connected although nobody has accepted it"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    descriptor_limit: u32,
    connected: usize,
    /// Those that got an answer, so the server had accepted them.
    accepted: usize,
    /// After one of these had closed, another one got an answer.
    next_served: bool,
    /// Whether the peer of a handle that was not closed saw EOF; and of one that was.
    leaked_eof: bool,
    closed_eof: bool,
    /// Connections of one listening socket, and how many local addresses they have together.
    connections: usize,
    local_addresses: usize,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    if cfg!(windows) {
        return Err(LessonError::NotVisible("a limit of descriptors for one process".to_owned()));
    }
    // Sabotage: room for all.
    let limit = if setting.sabotage { 256 } else { LIMIT };
    let mut server = ChildServer::start_with_descriptors(&setting.program, limit, &[])?;
    let crowd = crowd(server.addr());
    // What was seen of a server that has ended is nothing.
    if crowd.is_err() {
        server.check_for_a_while()?;
    }
    server.check()?;
    let (connected, accepted, next_served) = crowd?;
    let (leaked_eof, closed_eof) = leak()?;
    let (connections, local_addresses) = one_listener()?;
    Ok(finding(&Evidence {
        descriptor_limit: limit,
        connected,
        accepted,
        next_served,
        leaked_eof,
        closed_eof,
        connections,
        local_addresses,
    }))
}

/// More clients than the server has descriptors for. Returns how many connected, how many of them were served, and whether
/// one more was when one of these had gone.
fn crowd(server: SocketAddr) -> Result<(usize, usize, bool), LessonError> {
    let mut clients = Vec::new();
    let (began, mut backlog_is_full) = (Instant::now(), false);
    while clients.len() < CLIENTS && !backlog_is_full {
        match Client::connect(server) {
            Ok(client) => {
                clients.push(client);
                backlog_is_full = began.elapsed() > TO_CONNECT;
            }
            // A system may allow a shorter backlog than was asked for.
            Err(error) if error.kind() == ErrorKind::TimedOut => backlog_is_full = true,
            Err(error) => return Err(error.into()),
        }
    }
    let connected = clients.len();
    let accepted = answered_in_the_end(&mut clients)?;

    if backlog_is_full && accepted == connected {
        let why = "this system's backlog is too short for clients to wait in (net.core.somaxconn)";
        return Err(LessonError::NotVisible(why.to_owned()));
    }

    let gone = clients.iter().position(|client| client.answered).map(|at| clients.remove(at));
    drop(gone);
    let next_served = accepted == connected
        || until("a client that waited is served", || {
            Ok(Some(true).filter(|_| clients.iter_mut().any(|client| !client.answered && client.look())))
        })?;
    Ok((connected, accepted, next_served))
}

// [show]
/// Forgets to close a connection, then closes it. Returns whether its peer saw EOF, each time.
fn leak() -> Result<(bool, bool), LessonError> {
    let listener = TcpListener::bind(loopback())?;
    let mut peer = connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(A_WHILE))?;

    let mut done_but_kept = Vec::new();
    {
        let connection = accept(&listener, peer.local_addr()?)?;
        // ... the connection has been served; but somebody has put it into a table and forgets it there:
        done_but_kept.push(connection);
    }
    let leaked_eof = matches!(peer.read(&mut [0; 1]), Ok(0)); // no: it waits for the end

    drop(done_but_kept); // Rust closes a socket when its owner goes
    peer.set_read_timeout(Some(TIMEOUT))?;
    let closed_eof = matches!(peer.read(&mut [0; 1]), Ok(0)); // now it has seen it
    Ok((leaked_eof, closed_eof))
}

/// One listening socket gives a new socket for each connection. All have its local address.
fn one_listener() -> Result<(usize, usize), LessonError> {
    let listener = TcpListener::bind(loopback())?;
    let addr = listener.local_addr()?;
    let mut clients = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..3 {
        let client = connect(addr)?;
        connections.push(accept(&listener, client.local_addr()?)?);
        clients.push(client);
    }
    let mut locals: Vec<SocketAddr> = connections.iter().map(|c| c.local_addr()).collect::<Result<_, _>>()?;
    locals.push(addr);
    locals.sort();
    locals.dedup();
    Ok((connections.len(), locals.len()))
}
// [/show]

/// A client that sends a line and looks for its echo.
struct Client {
    connection: TcpStream,
    answered: bool,
}

impl Client {
    fn connect(server: SocketAddr) -> io::Result<Client> {
        let mut connection = TcpStream::connect_timeout(&server, TO_CONNECT)?;
        connection.write_all(b"hello\n")?;
        connection.set_nonblocking(true)?;
        Ok(Client { connection, answered: false })
    }

    /// Whether an answer has come, now or before.
    fn look(&mut self) -> bool {
        let read = self.connection.read(&mut [0; 64]);
        self.answered |= matches!(read, Ok(1..));
        self.answered
    }
}

/// How many clients have an answer, once no further one has come for a while.
fn answered_in_the_end(clients: &mut [Client]) -> Result<usize, LessonError> {
    let mut last = (0, Instant::now());
    until("no further client is answered", || {
        let answered = clients.iter_mut().filter_map(|client| client.look().then_some(())).count();
        if answered > last.0 {
            last = (answered, Instant::now());
        }
        let is_over = answered == clients.len() || (answered > 0 && last.1.elapsed() > A_WHILE);
        Ok(is_over.then_some(answered))
    })
}

fn finding(e: &Evidence) -> Finding {
    let yes = |yes| if yes { "yes" } else { "no" };
    let finding = Finding::new(e)
        .table(
            Table::new([format!("a server with {} descriptors", e.descriptor_limit), "clients".to_owned()])
                .row(["connected and sent a line".to_owned(), e.connected.to_string()])
                .row(["got an answer".to_owned(), e.accepted.to_string()])
                .row(["one more, when one had closed".to_owned(), yes(e.next_served).to_owned()]),
        )
        .table(
            Table::new(["does the peer see EOF?", ""])
                .row(["the server is done and keeps the handle", yes(e.leaked_eof)])
                .row(["the server closes the handle", yes(e.closed_eof)]),
        )
        .explain(format!(
            "A listening socket only accepts; each connection is a socket of its own, with the same local address ({} here \
             had {}) and told apart by the peer's. Each costs the program a descriptor, an index into the kernel's table of \
             what this process has open.",
            count(e.connections as u64, "connection"),
            count(e.local_addresses as u64, "local address"),
        ))
        .explain(format!(
            "With {} descriptors the server could accept {} of {} clients: the rest it needs for itself (its input and \
             outputs, the listening socket, the event loop). Then accept failed with EMFILE, \"too many open files\". Yet \
             all {} clients had connected and sent: the kernel had taken them into the backlog, where the others waited \
             without an error.",
            e.descriptor_limit, e.accepted, e.connected, e.connected,
        ))
        .explain(
            "When one of the served clients closed, its descriptor came back and the next one was served. So a server must \
             not end at EMFILE, nor try again at once for ever: it waits a little and goes on. Better still it has a limit \
             of its own (echoctl serve --max-connections) below that of the system.",
        )
        .explain(
            "A handle that nobody closes is a leak, and not only of memory: its peer saw no EOF and waits. In Rust a socket \
             is closed when its owner goes, so a leak needs a table where it is forgotten; in Node it needs only an error \
             path without destroy().",
        )
        .claim(
            "more clients connected than the server could accept",
            e.connected > e.accepted && e.accepted > 0,
            format!("{} connected, {} answered", e.connected, e.accepted),
        )
        .claim("a descriptor given back serves the next", e.next_served, yes(e.next_served))
        .claim(
            "a handle that is kept shows no EOF, a closed one does",
            !e.leaked_eof && e.closed_eof,
            format!("{} and {}", yes(e.leaked_eof), yes(e.closed_eof)),
        )
        .claim(
            "one listening socket, several connections, one local address",
            e.connections == 3 && e.local_addresses == 1,
            format!("{} connections, different addresses: {}", e.connections, e.local_addresses),
        );
    match e.accepted {
        accepted if accepted == e.connected => finding.measured('c'),
        _ => finding.measured('b'),
    }
}

/// Descriptors of the server: a dozen for itself, the rest for connections.
const LIMIT: u32 = 32;

/// More than fit, and few enough for a process that may have 64 descriptors itself.
const CLIENTS: usize = 40;

/// Time to connect, for one and for all: milliseconds. A first segment that finds the backlog full is sent again after a
/// second.
const TO_CONNECT: Duration = Duration::from_secs(3);

/// Long enough for an answer that is going to come, also on a loaded machine.
const A_WHILE: Duration = Duration::from_millis(700);
