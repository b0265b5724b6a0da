//! Faults of a server are detected and distinguished.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use echoctl_client::{CloseKind, Config, Ending, Error, Flood, Outcome, Reading};
use echoctl_proto::Framing;

use crate::support::Server;

async fn flood(server: &Server, framing: Framing) -> Outcome {
    let config = Config {
        framing,
        bytes: Some(2 << 20),
        stall_timeout: Duration::from_secs(1),
        ..Config::new(server.addr)
    };
    Flood::connect(config).await.unwrap().run().await
}

/// Damages the first piece after 300,000 bytes.
fn once(damage: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Server {
    let done = std::sync::atomic::AtomicBool::new(false);
    Server::echo(move |before, piece| {
        if before > 300_000 && !done.swap(true, std::sync::atomic::Ordering::SeqCst) {
            damage(piece);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_is_a_mismatch() {
    for framing in Framing::ALL {
        let server = once(|piece| {
            let at = piece.len() / 2;
            piece[at] ^= 1;
        });

        let outcome = flood(&server, framing).await;

        assert!(outcome.totals.mismatched >= 1, "{framing}: {outcome:?}");
        assert!(outcome.totals.first_fault.is_some_and(|(_, at)| at > 299_000));
        assert!(!outcome.is_good());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_byte_is_detected_in_every_framing() {
    for framing in Framing::ALL {
        let server = once(|piece| {
            piece.remove(piece.len() / 2);
        });

        let outcome = flood(&server, framing).await;

        assert!(outcome.totals.mismatched >= 1, "{framing}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_replies_every_frame_is_lost() {
    let server = Server::start(|mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ()));

    let outcome = flood(&server, Framing::Lines).await;

    assert_eq!(outcome.endings, [Ending::Complete]);
    assert_eq!(outcome.totals.lost, outcome.totals.frames);
    assert_eq!((outcome.totals.mismatched, outcome.totals.verified), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_close_is_reported() {
    for reading in [Reading::All, Reading::Nothing] {
        let server = Server::start(|mut stream| {
            let mut block = vec![0; 100_000];
            stream.read_exact(&mut block)?;
            stream.write_all(&block)
        });
        let config = Config { reading, ..Config::new(server.addr) };

        let outcome = Flood::connect(config).await.unwrap().run().await;

        assert!(matches!(outcome.endings[..], [Ending::PeerClosed { .. }]), "{reading:?}: {outcome:?}");
        assert!(!outcome.is_good());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_end_of_stream_is_not_a_regular_end() {
    let server = Server::start(|mut stream| {
        stream.shutdown(Shutdown::Write)?;
        std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
    });
    let config = Config { duration: Some(Duration::from_secs(30)), ..Config::new(server.addr) };

    let outcome = Flood::connect(config).await.unwrap().run().await;

    assert!(
        matches!(outcome.endings[..], [Ending::PeerClosed { how: CloseKind::EndOfStream, .. }]),
        "{outcome:?}"
    );
    assert_eq!(outcome.totals.lost, 0, "not counted if the stream was not read to its end");
}

#[tokio::test]
async fn a_refused_connection_is_an_error_with_the_address() {
    // Bound but not listening: no other program can take the port meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();

    let error = Flood::connect(Config::new(addr)).await.unwrap_err();

    assert!(matches!(&error, Error::Connect { .. }) && error.to_string().contains(&addr.to_string()));
}
