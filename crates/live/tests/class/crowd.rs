//! Many clients, of which some never read, send nothing, or send too much.

use std::io::{Read, Write};
use std::net::TcpStream;

use echoctl_record::{ClassPoint, ClassState};
use echoctl_testkit::eventually;

use crate::room::{Reply, Room};

#[test]
fn viewers_of_one_address_beyond_the_limit_get_an_error() {
    let room = Room::new();
    let mut viewers: Vec<_> = (0..64).map(|_| room.viewer("")).collect();
    for viewer in &mut viewers {
        viewer.hello();
    }

    let refused = room.request("GET", "/events", "", "");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.error(), "your address already has 64 viewers: close another page");
    // The page and its commands are answered all the same.
    assert_eq!(room.request("GET", "", "", "").status, 200);
    assert_eq!(room.command(r#"{"command":"dismiss"}"#).status, 200);
    // Places are returned.
    viewers.clear();
    eventually("a place is free", || room.admits_viewers());
}

#[test]
fn connections_that_send_nothing_do_not_keep_others_out() {
    let room = Room::new();
    // More than there are places.
    let _silent: Vec<TcpStream> = (0..420).map(|_| room.connect()).collect();

    assert_eq!(room.request("GET", "", "", "").status, 200);
    assert_eq!(room.command(r#"{"command":"dismiss"}"#).status, 200);
    room.viewer("").hello();
}

#[test]
fn requests_that_never_end_do_not_keep_others_out() {
    let room = Room::new();
    let mut viewer = room.viewer("");
    viewer.hello();
    let head =
        format!("POST {}/vote HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\n{{", room.path, room.addr);
    let _slow: Vec<TcpStream> = (0..420)
        .map(|n| {
            let mut connection = room.connect();
            // The server may have ended it meanwhile, for the next one.
            let _ = connection.write_all(&head.as_bytes()[..1 + n % head.len()]);
            connection
        })
        .collect();

    assert_eq!(room.request("GET", "", "", "").status, 200);
    // A viewer keeps its place.
    let point = ClassPoint { t: 9.0, ..ClassPoint::default() };
    room.show(ClassState { point, ..ClassState::default() });
    viewer.state(|state| state["t"] == 9.0);
}

#[test]
fn too_many_or_too_long_headers_are_refused() {
    let room = Room::new();
    let many = "X: y\r\n".repeat(100);
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    let long_path = format!("/{}", "x".repeat(20_000));

    assert_eq!(room.request("GET", "", &many, "").status, 431);
    assert_eq!(room.request("GET", "", &long, "").status, 431);
    assert!(matches!(room.request("GET", &long_path, "", "").status, 414 | 431));
    assert_eq!(room.request("GET", "", &"X: y\r\n".repeat(30), "").status, 200, "as many as a browser sends");
}

#[test]
fn bytes_that_are_no_request_end_their_connection() {
    let room = Room::new();
    let long = [b'x'; 100_000];
    let requests: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        &long,
    ];

    for request in requests {
        let reply = room.raw(request);
        assert!(matches!(reply.status, 0 | 400..=505), "{:?}: {reply:?}", String::from_utf8_lossy(request));
    }
    assert_eq!(room.request("GET", "", "", "").status, 200);
}

#[test]
fn a_client_without_keep_alive_is_served() {
    let room = Room::new();

    let old = room.raw(format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", room.path, room.addr).as_bytes());
    let nameless = room.raw(format!("GET {} HTTP/1.0\r\n\r\n", room.path).as_bytes());

    assert_eq!((old.status, nameless.status), (200, 421));
}

#[test]
fn viewers_are_disconnected_when_the_page_ends() {
    let room = Room::new();
    let mut connection = room.connect();
    write!(connection, "GET {}/events HTTP/1.1\r\nHost: {}\r\n\r\n", room.path, room.addr).unwrap();
    let mut first = [0; 12];
    connection.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    drop(room);

    Reply::read(connection);
}
