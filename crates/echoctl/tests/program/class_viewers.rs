//! Promise: the page of `echoctl class` obeys the lesson that it shows. A viewer that does not read costs little, is
//! disconnected, and keeps nothing from the others.
#![cfg(all(target_os = "linux", feature = "live"))]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::thread;

use echoctl_observe::{Process, SocketDiag};
use echoctl_testkit::{Running, eventually};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::peer::{echoctl, text};
use crate::running::command;

/// A class whose students fill its page: their connections, which do nothing, are open as long as it.
struct Class {
    program: Running,
    page: SocketAddr,
    /// `/` and the viewers' path.
    path: String,
    _students: Vec<TcpStream>,
}

impl Class {
    fn start() -> Class {
        let arguments = ["class", "--addr", "127.0.0.1:0", "--page", "127.0.0.1:0", "--json"];
        let mut class = command(&arguments);
        class.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = Running::start(&mut class);
        let mut events = BufReader::new(program.0.stdout.take().unwrap());
        let mut next = |name: &str| loop {
            let mut line = String::new();
            assert_ne!(events.read_line(&mut line).unwrap(), 0, "no event {name}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                break event;
            }
        };
        let url = next("page")["url"].as_str().unwrap().to_owned();
        let (page, path) =
            url.strip_prefix("http://").unwrap().split_at(url.rfind('/').unwrap() - "http://".len());
        let server = next("listening")["addr"].as_str().unwrap().to_owned();
        let students = (0..STUDENTS).map(|n| {
            let mut student = TcpStream::connect(&server).unwrap();
            // Long names make long states.
            writeln!(student, "name {n} {}", "🙂".repeat(40)).unwrap();
            student
        });
        let students = students.collect();
        while next("state")["connections"] != STUDENTS as u64 {}
        let (page, path) = (page.parse().unwrap(), path.to_owned());
        // Until the class ends.
        thread::spawn(move || std::io::copy(&mut events, &mut std::io::sink()));
        Class { program, page, path, _students: students }
    }

    /// A viewer that never reads, with a receive queue as small as the system allows.
    fn viewer_that_does_not_read(&self) -> Socket {
        let viewer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        viewer.set_recv_buffer_size(4096).unwrap();
        viewer.connect(&self.page.into()).unwrap();
        write!(&viewer, "GET {}/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.page).unwrap();
        viewer
    }
}

#[test]
fn viewers_that_do_not_read_cost_little_and_are_disconnected() {
    let class = Class::start();
    let mut process = Process::open(class.program.pid()).unwrap();
    let mut diag = SocketDiag::open().unwrap();
    let before = process.memory().unwrap().anonymous;
    let viewers: Vec<_> = (0..VIEWERS).map(|_| class.viewer_that_does_not_read()).collect();

    let (mut connected, mut memory, mut kernel) = (0, 0, 0);
    eventually("none of them is connected", || {
        let sockets = diag.connections(class.page.port()).unwrap();
        connected = connected.max(sockets.len());
        memory = memory.max(process.memory().unwrap().anonymous.saturating_sub(before));
        kernel =
            kernel.max(sockets.iter().filter_map(|socket| socket.memory).map(|memory| memory.total()).sum());
        connected == VIEWERS && sockets.is_empty()
    });

    let each = (memory + kernel) / VIEWERS as u64;
    assert!(each <= 64 << 10, "{each} bytes each, {kernel} of the kernel's for all");
    // They were under pressure: the kernel's queues were full.
    assert!(kernel / VIEWERS as u64 > 8 << 10, "{kernel} bytes of the kernel's for all");
    assert_eq!(viewers.len(), VIEWERS);
}

#[test]
fn an_audit_of_the_event_stream_says_that_it_is_safe() {
    let class = Class::start();
    let preset = format!("sse:{}/events", class.path);

    // Longer than it takes to fill the queues and to be disconnected.
    let audit =
        echoctl(&["audit", "--preset", &preset, "--for", "30s", &class.page.to_string()]).output().unwrap();

    let printed = text(&audit.stdout);
    assert!(printed.starts_with("DISCONNECTS") || printed.starts_with("BOUNDED"), "{printed}");
    assert_eq!(audit.status.code(), Some(0), "{printed}");
}

/// As many as the page has rows.
const STUDENTS: usize = 40;

/// As many as one address may have.
const VIEWERS: usize = 64;
