//! Promise: an attack comes to its end, whatever the server does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use echoctl_audit::{AuditConfig, AuditOutcome, Error, Preset, Script};

/// Far longer than any of these takes: only one without an end meets it.
const NEVER: Duration = Duration::from_secs(120);

/// A server that does `serve` with each connection.
fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

/// Attacks for a second, and returns what came of it.
#[track_caller]
fn attack(addr: SocketAddr, script: Script) -> Result<AuditOutcome, Error> {
    let config = AuditConfig { max_duration: Duration::from_secs(1), ..AuditConfig::new(addr, script) };
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // The test has failed when nobody waits for it any more.
        let _ = tell.send(config.attack(&AtomicBool::new(false), &mut |_| {}));
    });
    told.recv_timeout(NEVER).expect("it ends")
}

/// A setup that waits for "welcome", and a stimulus.
fn greeted() -> Script {
    Script::from_json(
        r#"{"setup":[{"send":[{"text":"hello"}],"expect":[{"text":"welcome"}]}],
            "stimulus":{"repeat":[{"fill":"x","count":1000}]}}"#,
    )
    .unwrap()
}

/// Sends zeros as fast as they go, and reads nothing.
fn pours(mut stream: TcpStream) {
    while stream.write_all(&[0; 65536]).is_ok() {}
}

/// Sends zeros as fast as they go, and reads all that comes.
fn pours_and_reads(stream: TcpStream) {
    let mut reader = stream.try_clone().unwrap();
    thread::spawn(move || while let Ok(1..) = reader.read(&mut [0; 65536]) {});
    pours(stream);
}

/// Sends a byte a tenth of a second.
fn drips(mut stream: TcpStream) {
    while stream.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_setup_that_is_never_answered_ends() {
    let silent = |stream| {
        thread::sleep(NEVER);
        drop::<TcpStream>(stream);
    };
    thread::scope(|scope| {
        for serve in [pours, pours_and_reads, drips, silent] {
            scope.spawn(move || {
                let error = attack(server(serve), greeted()).unwrap_err();

                assert!(matches!(&error, Error::Step { .. }), "{error}");
                assert!(error.to_string().contains("setup, step 1"), "{error}");
            });
        }
    });
}

#[test]
fn a_server_that_sends_for_ever_is_judged_and_left() {
    for serve in [pours, pours_and_reads, drips] {
        attack(server(serve), Preset::Raw.script("127.0.0.1")).unwrap();
    }
}

#[test]
fn a_publisher_that_is_sent_bytes_for_ever_goes_on() {
    let script = Script::from_json(
        r#"{"publisher":{},"stimulus":{"repeat":[{"fill":"x","count":1000}]},
            "bystander":{"send":[{"text":"ping"}],"expect":[{"text":"pong"}]}}"#,
    )
    .unwrap();

    let outcome = attack(server(pours_and_reads), script).unwrap();

    assert!(outcome.evidence.figures().accepted > 0, "it sent in spite of all that came");
}

#[test]
fn a_server_that_accepts_nothing_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();

    attack(listener.local_addr().unwrap(), Preset::Raw.script("127.0.0.1")).unwrap();
    let error = attack(listener.local_addr().unwrap(), greeted()).unwrap_err();

    assert!(matches!(error, Error::Step { .. }), "{error}");
}

#[test]
fn an_interruption_ends_a_setup_that_is_never_answered() {
    let addr = server(drips);
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let (flag, config) = (stop.clone(), AuditConfig::new(addr, greeted()));
    thread::spawn(move || {
        let _ = tell.send(config.attack(&flag, &mut |_| {}));
    });

    stop.store(true, Ordering::Relaxed);

    let error = told.recv_timeout(NEVER).expect("it ends").unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
}

#[test]
fn nothing_listening_is_no_connection_even_to_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);

    let error = attack(addr, greeted()).unwrap_err();

    assert!(matches!(error, Error::Connect { .. }), "{error}");
}
