//! Sessions with small servers that write frames by hand, well-behaved and not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use echoctl_testkit::{eventually, server};

use super::super::{AuditConnection, Destination};
use super::*;
use crate::Error;
use crate::script::{Http2, Payload, Script, Stimulus};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` in HPACK.
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A server that begins with SETTINGS. Once a request has come, `serve` writes to the client, and sees the frames that come then.
fn http2_server(serve: Serve) -> SocketAddr {
    server(move |mut stream| {
        let (sender, frames) = mpsc::channel();
        let mut reader = stream.try_clone().unwrap();
        thread::spawn(move || read_frames(&mut reader, &sender));
        // The client may go at any time.
        let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[]));
        if frames.iter().any(|(kind, _)| kind == HEADERS) {
            let _ = serve(&mut stream, &frames);
        }
        frames.iter().for_each(drop);
    })
}

/// What a server does, with the type and the payload of each frame that comes.
type Serve = fn(&mut TcpStream, &Receiver<(u8, Vec<u8>)>) -> std::io::Result<()>;

fn read_frames(stream: &mut TcpStream, frames: &Sender<(u8, Vec<u8>)>) -> std::io::Result<()> {
    stream.read_exact(&mut [0; 24])?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        let mut payload = vec![0; u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize];
        stream.read_exact(&mut payload)?;
        frames.send((header[3], payload)).map_err(std::io::Error::other)?;
    }
}

/// Writes a response that the windows let through: its header, and this much data.
fn respond(stream: &mut TcpStream, id: u8, bytes: usize) -> std::io::Result<()> {
    stream.write_all(&frame(HEADERS, END_HEADERS, id, OK))?;
    for part in vec![b'd'; bytes].chunks(16 << 10) {
        stream.write_all(&frame(DATA, 0, id, part))?;
    }
    Ok(())
}

fn requests(http2: Http2) -> Script {
    Script { http2: Some(http2), ..Script::new(Stimulus::once("", Payload::default())) }
}

fn connect(addr: SocketAddr, script: &Script, role: Role) -> Result<AuditConnection, Error> {
    let http2 = Http2Requests::of(script, false).map(Arc::new);
    let to = Destination { addr: addr.into(), tls: None, http2 };
    let mut connection = AuditConnection::begin(&to, role, None)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !connection.is_connected()? || !connection.shake_hands()? {
        assert!(Instant::now() < deadline, "the handshake ends");
        thread::sleep(Duration::from_millis(1));
    }
    connection.begin_stimulus();
    connection.go_on();
    Ok(connection)
}

fn slow_reader(serve: Serve, stall: Stall) -> AuditConnection {
    let script = requests(Http2 { stall: Some(stall), ..Http2::default() });
    connect(http2_server(serve), &script, Role::SlowReader).unwrap()
}

/// Waits until the session has ended, without reading payload.
fn ended(mut connection: AuditConnection) -> AuditConnection {
    eventually("the session ends", || {
        connection.go_on();
        connection.closed().is_some()
    });
    connection
}

fn read_all(connection: &mut AuditConnection, bytes: usize) {
    let (mut came, mut buffer) = (0, [0; 10_000]);
    eventually("all payload comes", || {
        came += connection.read(&mut buffer);
        came == bytes
    });
}

#[test]
fn what_comes_within_the_windows_is_kept_for_the_drain() {
    let mut connection = slow_reader(|stream, _| respond(stream, 1, 65_535), Stall::Window);

    eventually("the windows are used up", || {
        connection.go_on();
        connection.output_credit() == Some(0)
    });

    let responses = connection.responses().unwrap();
    assert_eq!((responses.requests, responses.answered, responses.status), (1, 1, Some(200)));
    assert_eq!(connection.received(), 0);
    assert!(connection.consumed() < 1000, "kept data is not consumed: {}", connection.consumed());
    read_all(&mut connection, 65_535);
    assert!(connection.output_credit() > Some(65_535), "the drain grants");
}

#[test]
fn empty_frames_of_streams_in_turn_are_summed_per_stream() {
    let script = requests(Http2 { stall: Some(Stall::Window), streams: 2, ..Http2::default() });
    let serve: Serve = |stream, _| {
        respond(stream, 1, 0)?;
        respond(stream, 3, 0)?;
        stream.write_all(&[frame(DATA, 0, 1, &[]), frame(DATA, 0, 3, &[])].concat().repeat(10_000))?;
        stream.write_all(&frame(DATA, 0, 3, b"last"))
    };
    let mut connection = connect(http2_server(serve), &script, Role::SlowReader).unwrap();

    eventually("all frames come", || {
        connection.go_on();
        session(&connection).kept() == 4
    });

    assert_eq!(session(&connection).answers.owed.len(), 2);
}

#[test]
fn a_slow_reader_with_open_windows_keeps_a_limited_amount() {
    const FRAME: usize = 16 << 10;
    // More than the reads in a row that may begin just below the limit.
    const SENT: usize = MOST_KEPT + 2 * MOST_READS * READ;
    let open = Some(Http2::MAX_WINDOW);
    let script = requests(Http2 { stall: Some(Stall::Window), initial_window: open, ..Http2::default() });
    let serve: Serve = |stream, _| {
        respond(stream, 1, 0)?;
        let part = frame(DATA, 0, 1, &[b'd'; FRAME]);
        (0..SENT / FRAME).try_for_each(|_| stream.write_all(&part))
    };
    let mut connection = connect(http2_server(serve), &script, Role::SlowReader).unwrap();

    eventually("the limit is reached", || {
        connection.go_on();
        session(&connection).kept() >= MOST_KEPT as u64
    });
    let taken = connection.taken();
    connection.go_on();

    assert_eq!(connection.taken(), taken);
    assert!(!session(&connection).reads_while_holding());
    assert!(session(&connection).kept() <= (MOST_KEPT + MOST_READS * READ) as u64);
    let mut buffer = vec![0; READ];
    eventually("all payload comes", || {
        connection.discard(&mut buffer);
        connection.received() == SENT as u64
    });
}

fn session(connection: &AuditConnection) -> &Http2Session {
    connection.http2.as_ref().unwrap()
}

#[test]
fn an_unread_socket_is_not_read() {
    let mut connection = slow_reader(|stream, _| respond(stream, 1, 65_535), Stall::Tcp);

    for _ in 0..100 {
        connection.go_on();
    }

    assert_eq!((connection.consumed(), connection.responses()), (0, None));
}

#[test]
fn a_reader_grants_what_it_reads() {
    let addr = http2_server(|stream, frames| {
        // All that its first window permits, and then as much as it grants.
        respond(stream, 1, 1 << 20)?;
        let mut granted = 0;
        while granted < 2 * 10_000 {
            let (kind, payload) = frames.recv().map_err(std::io::Error::other)?;
            // A grant of the stream, and one of the connection.
            granted +=
                if kind == WINDOW_UPDATE { u32::from_be_bytes(payload.try_into().unwrap()) } else { 0 };
        }
        stream.write_all(&frame(DATA, END_STREAM, 1, &[b'd'; 10_000]))
    });
    let mut connection = connect(addr, &requests(Http2::default()), Role::Bystander).unwrap();

    read_all(&mut connection, (1 << 20) + 10_000);

    let mut connection = ended_by_reading(connection);
    assert_eq!(
        (connection.closed(), connection.has_complete_response()),
        (Some(DisconnectKind::Closed), true)
    );
    assert_eq!(connection.read(&mut [0; 10]), 0);
    assert_eq!(connection.violation(), None);
}

fn ended_by_reading(mut connection: AuditConnection) -> AuditConnection {
    eventually("the response ends", || {
        connection.read(&mut [0; 100]);
        connection.closed().is_some()
    });
    connection
}

#[test]
fn the_end_of_a_session_is_named() {
    let reset = ended(slow_reader(
        |stream, _| stream.write_all(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())),
        Stall::Window,
    ));
    let calm = ended(slow_reader(
        |stream, _| {
            let debug = [&[0, 0, 0, 1, 0, 0, 0, 0xb][..], b"too\x1b much"].concat();
            stream.write_all(&frame(GOAWAY, 0, 0, &debug))
        },
        Stall::Window,
    ));
    let complete = ended(slow_reader(
        |stream, _| stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)),
        Stall::Window,
    ));

    assert_eq!(reset.closed(), Some(DisconnectKind::StreamsReset));
    assert_eq!(calm.closed(), Some(DisconnectKind::GoAway));
    assert_eq!(calm.closing().as_deref(), Some("GOAWAY ENHANCE_YOUR_CALM: too\\x1b much"));
    assert_eq!((complete.closed(), complete.closing()), (Some(DisconnectKind::Closed), None));
}

/// A field that is in no table.
fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

#[test]
fn a_call_that_failed_is_named_by_its_status() {
    let ended_with = |serve: Serve| ended(slow_reader(serve, Stall::Window)).closing();
    let in_trailers: Serve = |stream, _| {
        respond(stream, 1, 0)?;
        let fields = [field("grpc-status", "16"), field("grpc-message", "no\x1btoken")].concat();
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields))
    };
    let at_once: Serve = |stream, _| {
        let fields = [OK, &field("grpc-status", "12")].concat();
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields))
    };
    let well: Serve = |stream, _| {
        let fields = [OK, &field("grpc-status", "0")].concat();
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields))
    };

    assert_eq!(ended_with(in_trailers).as_deref(), Some("gRPC status 16: no\\x1btoken"));
    assert_eq!(ended_with(at_once).as_deref(), Some("gRPC status 12"));
    assert_eq!(ended_with(well), None);
}

#[test]
fn requests_of_which_some_are_refused_end_as_the_last_one_does() {
    let closed = |serve: Serve| {
        let script = requests(Http2 { stall: Some(Stall::Window), streams: 2, ..Http2::default() });
        ended(connect(http2_server(serve), &script, Role::SlowReader).unwrap()).closed()
    };
    let [complete_last, refused_last]: [Serve; 2] = [
        |stream, _| {
            stream.write_all(&refusal(3))?;
            stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, OK))
        },
        |stream, _| {
            stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 3, OK))?;
            stream.write_all(&refusal(1))
        },
    ];

    assert_eq!(closed(complete_last), Some(DisconnectKind::Closed));
    assert_eq!(closed(refused_last), Some(DisconnectKind::StreamsReset));
}

/// RST_STREAM with ENHANCE_YOUR_CALM.
fn refusal(id: u8) -> Vec<u8> {
    frame(RST_STREAM, 0, id, &0xb_u32.to_be_bytes())
}

#[test]
fn a_violation_ends_a_session_and_is_named() {
    let beyond = ended(slow_reader(|stream, _| respond(stream, 1, 100_000), Stall::Window));
    let push = ended(slow_reader(
        |stream, _| stream.write_all(&frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        Stall::Window,
    ));

    for connection in [beyond, push] {
        assert_eq!(connection.closed(), Some(DisconnectKind::Reset));
        assert!(connection.violation().is_some_and(|text| text.starts_with("HTTP/2: ")), "{connection:?}");
    }
}

#[test]
fn a_server_of_another_protocol_is_told_as_what_it_answered() {
    let http1 = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 100]);
    });

    let error = connect(http1, &requests(Http2::default()), Role::Bystander).unwrap_err();

    let Error::Http2(error) = error else { panic!("{error}") };
    assert_eq!(error, Http2Error::NotHttp2("HTTP/1.1 400 Bad Request".to_owned()));
}

#[test]
fn a_repeated_body_stops_at_the_windows_of_the_server() {
    let script = Script {
        http2: Some(Http2 {
            method: "POST".to_owned(),
            stall: Some(Stall::Window),
            streams: 2,
            ..Http2::default()
        }),
        ..Script::new(Stimulus::repeat("", Payload::text("x".repeat(1000))))
    };
    let addr =
        http2_server(|stream, _| stream.write_all(&frame(WINDOW_UPDATE, 0, 0, &10_000_u32.to_be_bytes())));
    let mut connection = connect(addr, &script, Role::SlowReader).unwrap();
    let block = vec![b'x'; 64 << 10];

    eventually("the first window and what is granted are used up", || {
        connection.write(&block);
        connection.go_on();
        connection.sent() == 75_535
    });
    assert_eq!(connection.write(&block), 0);
}
