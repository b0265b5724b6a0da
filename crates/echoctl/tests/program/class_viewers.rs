//! Promise: the page of `echoctl class` obeys the lesson that it shows. A viewer that does not read costs little, is
//! disconnected, and keeps nothing from the others.
#![cfg(target_os = "linux")]

use std::net::TcpStream;

use echoctl_observe::{Process, SocketDiag};
use echoctl_testkit::eventually;
use socket2::{Domain, Socket, Type};

use crate::classroom::Class;
use crate::peer::{echoctl, text};

/// A class whose students fill its page: their connections, which do nothing, are open as long as what is returned.
fn full_class() -> (Class, Vec<TcpStream>) {
    let class = Class::start(&["--backpressure", "off"]);
    // Long names make long states.
    let students = (0..STUDENTS).map(|n| class.join(&format!("{n} {}", "🙂".repeat(40)))).collect();
    class.state("all are there", |state| state["connections"] == STUDENTS);
    (class, students)
}

/// A viewer that never reads, with a receive queue as small as the system allows.
fn viewer_that_does_not_read(class: &Class) -> Socket {
    let viewer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    viewer.set_recv_buffer_size(4096).unwrap();
    viewer.connect(&class.page.into()).unwrap();
    class.ask_for_events(&viewer);
    viewer
}

#[test]
fn viewers_that_do_not_read_cost_little_and_are_disconnected() {
    let (class, _students) = full_class();
    let mut process = Process::open(class.running.pid()).unwrap();
    let mut diag = SocketDiag::open().unwrap();
    let before = process.memory().unwrap().anonymous;
    let viewers: Vec<_> = (0..VIEWERS).map(|_| viewer_that_does_not_read(&class)).collect();

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
    let (class, _students) = full_class();
    let preset = format!("sse:/{}/events", class.path);

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
