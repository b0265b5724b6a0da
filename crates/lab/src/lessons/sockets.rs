//! `sockets`: a program refers to a socket by a file descriptor. One kind of socket listens, the other is a connection. Each
//! must be closed: their number is limited, and the peer sees EOF only after the close.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use echoctl_record::count;
use echoctl_report::Table;
use echoctl_trial::ChildServer;
use serde::Serialize;

use crate::kit::loopback::{TIMEOUT, accept, connect, loopback, settled, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "sockets",
    idea: "listening and connection sockets; an unclosed socket is a leak",
    question: Question {
        text: "A server is allowed at most 40 open file descriptors (files and sockets). 40 clients connect to it, and \
               each sends a line. What do the clients see?",
        choices: &[
            "about 20 connect; the others are refused",
            "all 40 connect; about 20 get an answer, the others wait",
            "all 40 connect and get an answer, one after the other",
        ],
    },
    code: Code {
        source: include_str!("sockets.rs"),
        node: Some(
            "const server = net.createServer();            // one listening socket\n\
             server.on('connection', socket => {           // a new socket for each connection\n    \
                 // the code that receives the socket must close it: socket.end() or socket.destroy()\n\
             });",
        ),
    },
    next: &[
        (
            "ls -l /proc/$(pgrep -n '^echoctl$')/fd",
            "the file descriptors of a running server, including its sockets",
        ),
        ("(ulimit -n 40; echoctl serve --workers 1)", "the server of this lesson, to try by hand"),
        ("echoctl lesson handshake", "why a client can be connected before the server accepts it"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    descriptor_limit: u32,
    connected: usize,
    /// Clients that got an answer, so the server had accepted them.
    accepted: usize,
    /// Whether a waiting client got an answer after one of these had closed.
    next_served: bool,
    /// Whether the peer saw EOF while the descriptor was open, and after it was closed.
    leaked_eof: bool,
    closed_eof: bool,
    /// Connections of one listening socket, and the number of different local addresses among them.
    connections: usize,
    local_addresses: usize,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    if cfg!(windows) {
        return Err(LessonError::NotVisible("a limit on file descriptors per process".to_owned()));
    }
    // Sabotage: enough descriptors for all clients.
    let limit = if setting.sabotage { 256 } else { LIMIT };
    let mut server = ChildServer::start_with_descriptors(&setting.program, limit)?;
    let crowd = crowd(server.addr());
    // A server that has exited explains any failure better than its client's error does.
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

/// Connects more clients than the server has descriptors for. Returns the number that connected, the number that were
/// served, and whether one more was served after a served client had closed.
fn crowd(server: SocketAddr) -> Result<(usize, usize, bool), LessonError> {
    let mut clients = Vec::new();
    let (began, mut backlog_is_full) = (Instant::now(), false);
    while clients.len() < CLIENTS && !backlog_is_full {
        match Client::connect(server) {
            Ok(client) => {
                clients.push(client);
                backlog_is_full = began.elapsed() > TO_CONNECT;
            }
            // A system may allow a shorter backlog than was requested.
            Err(error) if error.kind() == ErrorKind::TimedOut => backlog_is_full = true,
            Err(error) => return Err(error.into()),
        }
    }
    let connected = clients.len();
    let accepted = answered_in_the_end(&mut clients)?;

    if backlog_is_full && accepted == connected {
        let why = "this system's backlog is too short (net.core.somaxconn)";
        return Err(LessonError::NotVisible(why.to_owned()));
    }

    let served = clients.iter().position(|client| client.answered).map(|at| clients.remove(at));
    drop(served);
    let next_served = accepted == connected
        || until("a waiting client is served", || {
            Ok(Some(true).filter(|_| clients.iter_mut().any(|client| !client.answered && client.poll())))
        })?;
    Ok((connected, accepted, next_served))
}

// [show]
/// Forgets to close a connection, then closes it. Returns whether its peer saw EOF in each case.
fn leak() -> Result<(bool, bool), LessonError> {
    let listener = TcpListener::bind(loopback())?;
    let mut peer = connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(A_WHILE))?;

    let mut forgotten = Vec::new();
    {
        let connection = accept(&listener, peer.local_addr()?)?;
        // ... the connection has been served, but a collection still owns it:
        forgotten.push(connection);
    }
    let leaked_eof = matches!(peer.read(&mut [0; 1]), Ok(0)); // false: the peer still waits for EOF

    drop(forgotten); // Rust closes a socket when its owner is dropped
    peer.set_read_timeout(Some(TIMEOUT))?;
    let closed_eof = matches!(peer.read(&mut [0; 1]), Ok(0)); // true: now it has seen EOF
    Ok((leaked_eof, closed_eof))
}

/// One listening socket returns a new socket for each connection. All have its local address.
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

/// A client that sends a line and waits for its echo.
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

    /// Whether an answer has arrived, now or earlier.
    fn poll(&mut self) -> bool {
        let read = self.connection.read(&mut [0; 64]);
        self.answered |= matches!(read, Ok(1..));
        self.answered
    }
}

/// The number of clients that have an answer, once no further answer has arrived for a while.
fn answered_in_the_end(clients: &mut [Client]) -> Result<usize, LessonError> {
    let answered = settled("no further client is answered", A_WHILE, || {
        let answered = clients.iter_mut().filter_map(|client| client.poll().then_some(())).count();
        Ok(Some(answered).filter(|&answered| answered > 0))
    });
    Ok(answered?.0)
}

fn finding(e: &Evidence) -> Finding {
    let yes = |yes| if yes { "yes" } else { "no" };
    let address = |number: usize| format!("{number} local address{}", if number == 1 { "" } else { "es" });
    Finding::new(e)
        .table(
            Table::new("", [format!("a server with {} file descriptors", e.descriptor_limit), String::new()])
                .row(["clients that connected and sent a line".to_owned(), e.connected.to_string()])
                .row(["clients that got an answer".to_owned(), e.accepted.to_string()])
                .row(["a waiting client is served when another closes".to_owned(), yes(e.next_served).to_owned()]),
        )
        .table(
            Table::new("", ["does the peer see EOF?", ""])
                .row(["the server forgets to close the socket", yes(e.leaked_eof)])
                .row(["the server closes the socket", yes(e.closed_eof)]),
        )
        .explain("In short: every connection needs a file descriptor, their number is limited, and each must be closed.")
        .explain(format!(
            "A listening socket only accepts. Each connection is a socket of its own. In a second experiment, {} to one \
             listening socket had {}: they differ in the peer's address. Each one needs a file descriptor, which is an \
             index into the kernel's table of the files and sockets that this process has open.",
            count(e.connections as u64, "connection"),
            match e.local_addresses {
                1 => "the same local address".to_owned(),
                number => address(number),
            },
        ))
        .explain(format!(
            "With {} file descriptors the server could accept {} of {} clients. It needs the rest for itself: its \
             standard streams, the listening socket, and some for its event loops and for signals. Then accept failed with EMFILE, \"too many open \
             files\". Even so, all {} clients had connected and sent their line. The kernel had put their connections \
             into the accept queue, where the remaining {} waited without an error.",
            e.descriptor_limit, e.accepted, e.connected, e.connected, e.connected - e.accepted,
        ))
        .explain(
            "When a served client closed, the server's descriptor became free, and the next client was served. So a server \
             must not exit on EMFILE, nor retry in a tight loop: it waits a little and continues. It is better to have a \
             connection limit (echoctl serve --max-connections) below the system's limit.",
        )
        .explain(
            "An unclosed file descriptor is a leak, and not only of memory: the peer sees no EOF and keeps waiting. In \
             Rust a socket closes when its owner is dropped; to leak one you have to leave it in some collection. In \
             Node an error path without socket.destroy(), which closes it, is enough.",
        )
        .claim(
            "more clients are connected than the server can accept",
            e.connected > e.accepted && e.accepted > 0,
            format!("{} connected, {} answered", e.connected, e.accepted),
        )
        .claim(
            "a descriptor that becomes free serves the next client",
            e.next_served,
            format!("next client served: {}", yes(e.next_served)),
        )
        .claim(
            "the peer sees EOF only when the socket is closed",
            !e.leaked_eof && e.closed_eof,
            format!("EOF before: {}, after: {}", yes(e.leaked_eof), yes(e.closed_eof)),
        )
        .claim(
            "all connections of a listening socket have one local address",
            e.connections == 3 && e.local_addresses == 1,
            format!("{} connections, {}", e.connections, address(e.local_addresses)),
        )
        .measured(if e.accepted == e.connected { 'c' } else { 'b' })
}

/// File descriptors of the server: 18 for itself, the rest for connections.
const LIMIT: u32 = 40;

/// Number of clients: more than the server can accept, few enough for a process that is limited to 64 descriptors itself.
const CLIENTS: usize = 40;

/// Time limit for connecting, of one client and of all together. Connecting takes milliseconds; a SYN that finds the
/// backlog full is retransmitted after a second.
const TO_CONNECT: Duration = Duration::from_secs(3);

/// Long enough for an answer to arrive, even on a loaded machine.
const A_WHILE: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_numbers_that_run() {
        for figure in [format!("at most {LIMIT} open"), format!("{CLIENTS} clients")] {
            assert!(LESSON.question.text.contains(&figure), "'{figure}' is not in {}", LESSON.question.text);
        }
    }
}
