//! Connections through TLS to small servers, well-behaved and not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoctl_testkit::{eventually, never_reads, server};

use super::*;
use crate::{TlsError, Trust};
use support::Clients;

#[path = "../../../tests/support/tls.rs"]
mod support;

fn destination(addr: SocketAddr, trust: &Trust, name: &str, alpn: &[&str]) -> Destination {
    let alpn: Vec<_> = alpn.iter().map(|&name| name.to_owned()).collect();
    Destination { addr: addr.into(), tls: Some(TlsConnector::new(trust, name, &alpn).unwrap()), http2: None }
}

/// Connects and shakes hands.
fn connect(to: &Destination) -> Result<AuditConnection, Error> {
    let mut connection = AuditConnection::begin(to, Role::Bystander, None)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !connection.is_connected()? || !connection.shake_hands()? {
        assert!(Instant::now() < deadline, "the handshake ends");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(connection)
}

fn connect_any(addr: SocketAddr) -> Result<AuditConnection, Error> {
    connect(&destination(addr, &Trust::Any, "localhost", &[]))
}

/// Why a handshake failed.
#[track_caller]
fn failure(result: Result<AuditConnection, Error>) -> TlsError {
    match result {
        Err(Error::Tls(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A server that does this with each session.
fn tls_server(
    clients: Clients,
    alpn: &[&str],
    serve: fn(rustls::StreamOwned<rustls::ServerConnection, TcpStream>),
) -> SocketAddr {
    let config = support::config(clients, alpn);
    server(move |stream| serve(support::accept(stream, &Arc::clone(&config))))
}

fn echo(mut stream: impl Read + Write) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
}

#[test]
fn payload_goes_through_tls_and_back() {
    let mut connection = connect_any(tls_server(Clients::All, &[], echo)).unwrap();
    let sent: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    let (mut came, mut buffer) = (Vec::new(), [0; 10_000]);

    eventually("everything comes back", || {
        connection.write(&sent[connection.sent() as usize..]);
        connection.go_on();
        let count = connection.read(&mut buffer);
        came.extend_from_slice(&buffer[..count]);
        came.len() == sent.len()
    });

    assert!(came == sent);
    assert_eq!((connection.sent(), connection.received()), (300_000, 300_000));
    // Each record is 22 bytes longer than its payload.
    assert!((300_022..310_000).contains(&connection.produced()), "{}", connection.produced());
    assert!(connection.consumed() > 300_000 && connection.closed().is_none());
}

#[test]
fn a_kernel_that_accepts_nothing_leaves_little_in_the_queue() {
    let mut connection = connect_any(tls_server(Clients::All, &[], |mut stream| {
        // The handshake is done by the first read.
        let _ = stream.read(&mut [0; 1]);
        never_reads(stream.sock);
    }))
    .unwrap();
    let block = vec![7; 64 << 10];

    let mut refused = 0;
    eventually("nothing is accepted any more", || {
        refused = if connection.write(&block) == 0 { refused + 1 } else { 0 };
        refused > 100
    });

    let queued = connection.sent().saturating_sub(connection.produced());
    assert!(queued <= 64 << 10, "{queued}");
    assert!(connection.waited(Interest::default()).1.write, "it is waited for until it accepts more");
}

#[test]
fn a_client_that_does_not_read_takes_nothing_from_the_wire() {
    let mut connection =
        connect_any(tls_server(
            Clients::All,
            &[],
            |mut stream| {
                while stream.write_all(&[1; 4096]).is_ok() {}
            },
        ))
        .unwrap();
    connection.settle();

    eventually("output waits", || {
        connection.refresh(Some(&mut echoctl_observe::SocketTables::of([])));
        connection.counters().client_received.is_none_or(|received| received > 10_000)
    });

    assert_eq!((connection.consumed(), connection.received()), (0, 0));
}

#[test]
fn what_was_agreed_on_is_known() {
    let addr = tls_server(Clients::All, &["h2", "http/1.1"], echo);

    let connection = connect(&destination(addr, &Trust::Any, "localhost", &["http/1.1"])).unwrap();

    let TlsPeer { version, cipher, alpn, fingerprint } = connection.tls().unwrap();
    assert_eq!((version.as_str(), alpn.as_deref()), ("TLS 1.3", Some("http/1.1")));
    assert!(cipher.starts_with("TLS13_"), "{cipher}");
    assert_eq!(fingerprint.to_string(), support::FINGERPRINT);
}

#[test]
fn a_certificate_is_verified_unless_any_is_trusted() {
    let addr = tls_server(Clients::All, &[], echo);
    let with = |trust, name| connect(&destination(addr, &trust, name, &[]));
    let roots = || Trust::Roots(vec![support::certificate().to_vec()]);

    assert!(with(roots(), "localhost").is_ok() && with(roots(), "127.0.0.1").is_ok());
    assert!(matches!(failure(with(roots(), "example.org")), TlsError::Untrusted(_)));
    assert!(matches!(failure(with(Trust::Bundled, "localhost")), TlsError::Untrusted(_)));
    assert!(with(Trust::Any, "example.org").is_ok());
}

#[test]
fn a_name_or_a_root_that_is_none_is_refused() {
    let refused = |trust, name| TlsConnector::new(&trust, name, &[]).unwrap_err();

    assert!(matches!(refused(Trust::Any, "not a name"), Error::Tls(TlsError::ServerName(_))));
    assert!(matches!(refused(Trust::Roots(vec![vec![1]]), "localhost"), Error::Tls(TlsError::Root(_))));
}

#[test]
fn a_server_without_tls_is_told_as_what_it_answered() {
    let http = server(|stream| support::answer(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let silent = server(drop);

    assert_eq!(failure(connect_any(http)), TlsError::NotTls("HTTP/1.1 400 Bad Request".to_owned()));
    assert_eq!(failure(connect_any(silent)), TlsError::Closed);
}

#[test]
fn an_echo_of_the_handshake_is_a_violation() {
    let error = failure(connect_any(server(echoctl_testkit::echo)));

    assert!(matches!(error, TlsError::Violated(_)), "{error}");
}

#[test]
fn a_handshake_without_end_is_a_violation() {
    let record = [&[22, 3, 3, 0x40, 0, 2, 0, 0xff, 0xff][..], &[b'x'; 16_380]].concat();
    let addr = server(move |mut stream| while stream.write_all(&record).is_ok() {});

    let error = failure(connect_any(addr));

    assert!(matches!(error, TlsError::Violated(_)), "{error}");
}

#[test]
fn a_server_that_wants_a_certificate_is_told_as_what_it_wants() {
    let error = failure(connect_any(tls_server(Clients::Certified, &[], echo)));

    assert_eq!(error, TlsError::ClientCertificate);
}

#[test]
fn a_refused_handshake_says_why() {
    let addr = tls_server(Clients::All, &["h2"], echo);

    let error = failure(connect(&destination(addr, &Trust::Any, "localhost", &["http/1.1"])));

    assert_eq!(error, TlsError::Alert("no application protocol".to_owned()));
}

#[test]
fn the_end_of_a_session_is_told() {
    fn end(serve: fn(rustls::StreamOwned<rustls::ServerConnection, TcpStream>)) -> AuditConnection {
        let mut connection = connect_any(tls_server(Clients::All, &[], serve)).unwrap();
        connection.write(b"x");
        eventually("the session ends", || {
            connection.read(&mut [0; 100]);
            connection.closed().is_some()
        });
        connection
    }

    let regular = end(|mut stream| {
        let _ = stream.read(&mut [0; 1]);
        stream.conn.send_close_notify();
        let _ = stream.flush();
        support::answer(stream.sock, b"");
    });
    let garbage = end(|mut stream| {
        let _ = stream.read(&mut [0; 1]);
        support::answer(stream.sock, b"HTTP/1.1 500\r\n\r\n");
    });

    assert_eq!((regular.closed(), &regular.fault), (Some(DisconnectKind::Closed), &None));
    assert_eq!(garbage.closed(), Some(DisconnectKind::Reset));
    assert!(matches!(&garbage.fault, Some(Fault(text)) if text.starts_with("TLS: ")), "{:?}", garbage.fault);
}

#[test]
fn alerts_are_named_in_words() {
    let named =
        [(40, "handshake failure"), (48, "unknown ca"), (116, "certificate required"), (200, "number 200")];
    for (number, words) in named {
        assert_eq!(tls::name_of(rustls::AlertDescription::from(number)), words);
    }
}
