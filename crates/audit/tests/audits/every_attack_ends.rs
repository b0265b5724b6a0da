//! Promise: an attack ends, whatever the server does, and no habit of a server is taken for harm to its other clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use echoctl_audit::{AuditConfig, AuditOutcome, Error, Preset, Script};
use echoctl_record::Service;
use echoctl_testkit::{echo, never_reads, server};

/// Far longer than any of these attacks takes.
const NEVER: Duration = Duration::from_secs(120);

/// The longest duration of these attacks.
const MAX_DURATION: Duration = Duration::from_secs(1);

/// What an attack may take in addition to four times that, as promised.
const IN_ADDITION: Duration = Duration::from_secs(100);

/// Attacks for a second, and returns the result.
#[track_caller]
fn attack(addr: SocketAddr, script: Script) -> Result<AuditOutcome, Error> {
    let config = AuditConfig { max_duration: MAX_DURATION, ..AuditConfig::new(addr, script) };
    let (sender, results) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone only if the test has failed.
        let _ = sender.send(config.attack(&AtomicBool::new(false), &mut |_| {}));
    });
    results.recv_timeout(4 * MAX_DURATION + IN_ADDITION).expect("the attack ends")
}

/// A script whose setup waits for "welcome".
fn greeted() -> Script {
    Script::from_json(
        r#"{"setup":[{"send":[{"text":"hello"}],"expect":[{"text":"welcome"}]}],
            "stimulus":{"repeat":[{"fill":"x","count":1000}]}}"#,
    )
    .unwrap()
}

/// Sends zeros as fast as possible, and reads nothing.
fn pours(mut stream: TcpStream) {
    while stream.write_all(&[0; 65536]).is_ok() {}
}

/// Sends zeros as fast as possible, and reads everything.
fn pours_and_reads(stream: TcpStream) {
    let mut reader = stream.try_clone().unwrap();
    thread::spawn(move || while let Ok(1..) = reader.read(&mut [0; 65536]) {});
    pours(stream);
}

/// Sends a byte every 100 ms.
fn drips(mut stream: TcpStream) {
    while stream.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_setup_without_an_answer_ends() {
    thread::scope(|scope| {
        for serve in [pours, pours_and_reads, drips, never_reads] {
            scope.spawn(move || {
                let error = attack(server(serve), greeted()).unwrap_err();

                assert!(matches!(&error, Error::Step { .. }), "{error}");
                assert!(error.to_string().contains("setup, step 1"), "{error}");
            });
        }
    });
}

#[test]
fn an_endless_server_gets_a_verdict() {
    for serve in [pours, pours_and_reads, drips] {
        attack(server(serve), Preset::Raw.script("127.0.0.1")).unwrap();
    }
}

#[test]
fn a_publisher_with_endless_replies_keeps_sending() {
    let script = Script::from_json(
        r#"{"publisher":{},"stimulus":{"repeat":[{"fill":"x","count":1000}]},
            "bystander":{"send":[{"text":"ping"}],"expect":[{"text":"pong"}]}}"#,
    )
    .unwrap();

    let outcome = attack(server(pours_and_reads), script).unwrap();

    assert!(echoctl_verdict::audit::figures(&outcome.evidence).accepted > 0, "it sent while it received");
}

#[test]
fn a_server_that_accepts_nothing_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();

    attack(listener.local_addr().unwrap(), Preset::Raw.script("127.0.0.1")).unwrap();
    let error = attack(listener.local_addr().unwrap(), greeted()).unwrap_err();

    assert!(matches!(error, Error::Step { .. }), "{error}");
}

#[test]
fn an_interruption_ends_a_setup_without_an_answer() {
    let (arrived, arrivals) = mpsc::channel();
    let addr = server(move |mut stream| {
        stream.read_exact(&mut [0; 5]).unwrap();
        arrived.send(()).unwrap();
        drips(stream);
    });
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, results) = mpsc::channel();
    let (flag, config) = (stop.clone(), AuditConfig::new(addr, greeted()));
    thread::spawn(move || {
        let _ = sender.send(config.attack(&flag, &mut |_| {}));
    });

    arrivals.recv_timeout(NEVER).expect("the setup has begun");
    stop.store(true, Ordering::Relaxed);

    let error = results.recv_timeout(NEVER).expect("the attack ends").unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
}

#[test]
fn a_connection_to_itself_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);

    let error = attack(addr, greeted()).unwrap_err();

    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

/// Echoes after a while.
fn ponders(mut stream: TcpStream) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        thread::sleep(Duration::from_millis(300));
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Echoes, and closes a connection that is silent for a moment.
fn loses_patience(stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    echo(stream);
}

/// Answers one request on each connection.
fn answers_once(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 65536]);
    let _ = stream.write_all(b"bye");
}

/// Echoes with a backlog of one connection.
fn short_backlog() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(1).unwrap();
    accept(socket.into(), |listener| {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(|| echo(stream));
        }
    })
}

/// Echoes to one client at a time.
fn one_at_a_time() -> SocketAddr {
    accept(TcpListener::bind("127.0.0.1:0").unwrap(), |listener| {
        listener.incoming().map_while(Result::ok).for_each(echo);
    })
}

/// Echoes to one client, and listens no more.
fn only_one() -> SocketAddr {
    accept(TcpListener::bind("127.0.0.1:0").unwrap(), |listener| {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        echo(stream);
    })
}

fn accept(listener: TcpListener, serve: impl FnOnce(TcpListener) + Send + 'static) -> SocketAddr {
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener));
    addr
}

#[test]
fn habits_of_a_server_do_not_starve_its_clients() {
    let servers = [
        ("ponders", server(ponders)),
        ("loses patience", server(loses_patience)),
        ("answers once", server(answers_once)),
        ("has a short backlog", short_backlog()),
        ("serves one at a time", one_at_a_time()),
        ("accepts only one", only_one()),
        ("pours", server(pours_and_reads)),
        ("drips", server(drips)),
        ("echoes", server(echo)),
    ];
    thread::scope(|scope| {
        for (name, addr) in servers {
            scope.spawn(move || {
                let outcome = attack(addr, requests()).unwrap();

                let bystanders = outcome.evidence.bystanders;
                let is_starved =
                    |service: Service| service.during == Some(false) || service.after == Some(false);
                assert!(!bystanders.is_some_and(|all| all.all().any(is_starved)), "{name}: {bystanders:?}");
            });
        }
    });
}

/// Lines that no script says to be echoed.
fn requests() -> Script {
    Script::from_json(r#"{"stimulus":{"repeat":[{"fill":"x","count":1023},{"text":"\n"}]}}"#).unwrap()
}
