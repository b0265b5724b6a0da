//! Bystanders of small servers, which are asked without an attack, or while the server does not answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use echoctl_testkit::{echo, eventually, never_reads, server};

use super::*;
use crate::attack::connection::Destination;
use crate::attack::connector::Permitted;
use crate::attack::integrity::EchoAssumption;
use crate::script::{Payload, Script, Step, Stimulus};

/// Far longer than any of these waits takes.
const NEVER: Duration = Duration::from_secs(120);

/// What the calm shows of a server with some script.
fn calm(addr: SocketAddr, script: &Script) -> Calm {
    with_connector(addr, |connector| Calm::observe(script, connector, Instant::now()).unwrap())
}

fn with_connector<T>(addr: SocketAddr, work: impl FnOnce(&mut Connector<'_>) -> T) -> T {
    let stop = AtomicBool::new(false);
    work(&mut Connector::new(Destination::plain(addr), Permitted::Any, Instant::now() + NEVER, &stop))
}

fn pings() -> Script {
    Script::new(Stimulus::repeat("", Payload::text("ping\n")))
}

/// Asks at a moment, and waits for the replies.
fn asked(bystanders: &mut Bystanders, connector: &mut Connector<'_>, moment: Moment) -> record::Bystanders {
    bystanders.ask(moment, Instant::now());
    while !bystanders.are_answered(connector, Instant::now()).unwrap() {
        thread::yield_now();
    }
    bystanders.evidence(Instant::now())
}

/// Serves `serve` to one client after the other, with at most `places` of them at a time.
fn places(places: usize, serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = Arc::new(listener);
    for _ in 0..places {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                serve(stream);
            }
        });
    }
    addr
}

#[test]
fn all_places_of_the_attack_are_tried_in_the_calm() {
    let taking_part = |count| {
        let bystanders = calm(places(count, echo), &pings()).bystanders.unwrap();
        let evidence = bystanders.evidence(Instant::now());
        (evidence.serves_several, evidence.active.is_some(), evidence.idle.is_some())
    };

    assert_eq!(taking_part(1), (false, false, false));
    assert_eq!(taking_part(2), (true, false, false));
    assert_eq!(taking_part(3), (true, true, false));
    assert_eq!(taking_part(4), (true, true, true));
}

#[test]
fn an_error_in_place_of_the_usual_reply_is_no_reply() {
    /// Answers each request with a status, as long as the crowd is served.
    fn answering(is_full: &'static AtomicBool) -> SocketAddr {
        server(move |mut stream| {
            while let Ok(1..) = stream.read(&mut [0; 1024]) {
                let status = if is_full.load(Ordering::Relaxed) { "503 Full" } else { "200 OK" };
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            }
        })
    }
    static IS_FULL: AtomicBool = AtomicBool::new(false);
    static IS_ALWAYS_FULL: AtomicBool = AtomicBool::new(true);
    let asked_when_full = |is_full: &'static AtomicBool| {
        with_connector(answering(is_full), |connector| {
            let calm = Calm::observe(&pings(), connector, Instant::now()).unwrap();
            is_full.store(true, Ordering::Relaxed);
            let newcomer = asked(&mut calm.bystanders.unwrap(), connector, Moment::During).newcomer.unwrap();
            (newcomer.during, newcomer.refused)
        })
    };

    assert_eq!(asked_when_full(&IS_FULL), (Some(false), true));
    assert_eq!(asked_when_full(&IS_ALWAYS_FULL), (Some(true), false), "that is its reply to this question");
}

#[test]
fn a_server_for_few_clients_serves_a_newcomer() {
    for count in [2, 3, 4] {
        let addr = places(count, echo);
        with_connector(addr, |connector| {
            let mut bystanders =
                Calm::observe(&pings(), connector, Instant::now()).unwrap().bystanders.unwrap();
            let mut slow_reader = TcpStream::connect(addr).unwrap();
            slow_reader.write_all(b"x").unwrap();
            slow_reader.read_exact(&mut [0]).unwrap();

            let evidence = asked(&mut bystanders, connector, Moment::During);

            assert!(evidence.all().all(|service| service.during == Some(true)), "{count}: {evidence:?}");
        });
    }
}

#[test]
fn one_answer_per_connection_leaves_out_the_idle_one() {
    let addr = server(|mut stream| {
        if stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
            let _ = stream.write_all(b"accepted\n");
        }
        while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    });

    let evidence = calm(addr, &pings()).bystanders.unwrap().evidence(Instant::now());

    assert!(evidence.serves_several && evidence.active.is_none() && evidence.idle.is_none(), "{evidence:?}");
}

#[test]
fn a_server_that_never_answers_has_no_bystanders() {
    assert!(calm(server(never_reads), &pings()).bystanders.is_none());
    assert!(calm(server(drop), &pings()).bystanders.is_none());
}

#[test]
fn a_server_that_still_starts_is_waited_for() {
    let refusals = Arc::new(Mutex::new(5));
    let addr = server(move |stream| {
        let mut left = refusals.lock().unwrap();
        if *left == 0 {
            drop(left);
            echo(stream);
        } else {
            *left -= 1;
        }
    });

    let calm =
        with_connector(addr, |connector| Calm::observe(&pings(), connector, Instant::now() + NEVER).unwrap());

    assert!(calm.bystanders.unwrap().serves_several());
}

#[test]
fn a_greeting_answers_nothing() {
    let greeted = |serve: fn(TcpStream)| {
        server(move |mut stream| {
            stream.write_all(b"220 welcome\r\n").unwrap();
            serve(stream);
        })
    };

    // On a busy machine a greeting may come so late that it looks like an answer.
    let (silent, echo) = (greeted(never_reads), greeted(echo));
    eventually("a greeting is heard before the question", || calm(silent, &pings()).bystanders.is_none());
    eventually("a greeting is told from the answer", || {
        let calm = calm(echo, &pings());
        calm.bystanders.is_some_and(|bystanders| bystanders.question.is_greeted)
            && calm.echo == EchoAssumption::Unknown
    });
}

#[test]
fn an_echo_returns_to_the_one_that_asked() {
    let shouts = |mut stream: TcpStream| {
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            buffer.make_ascii_uppercase();
            if stream.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    };
    let ping = Step::ask(Payload::text("PING"), Payload::text("PING"));

    assert_eq!(calm(server(echo), &pings()).echo, EchoAssumption::Proven);
    assert_eq!(calm(server(shouts), &pings()).echo, EchoAssumption::Unknown);
    // Its question is another one than the stimulus.
    assert_eq!(
        calm(server(echo), &Script { bystander: Some(ping), ..pings() }).echo,
        EchoAssumption::Unknown
    );
}

#[test]
fn what_others_say_is_not_an_echo() {
    let all = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
    let addr = server(move |mut stream| {
        all.lock().unwrap().push(stream.try_clone().unwrap());
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            all.lock().unwrap().retain_mut(|client| client.write_all(&buffer[..count]).is_ok());
        }
    });

    assert_eq!(calm(addr, &pings()).echo, EchoAssumption::Refuted);
}

#[test]
fn the_reply_of_a_newcomer_is_heard() {
    let addr = server(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(&vec![b'z'; 100_000]);
    });
    let once = Script::new(Stimulus::once("", Payload::text("GET /\r\n\r\n")));

    let calm = calm(addr, &once);

    assert_eq!(calm.reply, vec![b'z'; 100_000]);
    let evidence = calm.bystanders.unwrap().evidence(Instant::now());
    assert!(evidence.serves_several && evidence.active.is_none() && evidence.idle.is_none(), "{evidence:?}");
}

#[test]
fn the_rest_of_a_reply_does_not_answer_the_next_question() {
    // It answers with much, and each client only once.
    let addr = server(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(&vec![b'z'; 8 << 20]);
        never_reads(stream);
    });
    with_connector(addr, |connector| {
        let mut bystanders = Calm::observe(&pings(), connector, Instant::now()).unwrap().bystanders.unwrap();
        bystanders.calm = Duration::ZERO;

        let evidence = asked(&mut bystanders, connector, Moment::During);

        assert_eq!(evidence.newcomer.unwrap().during, Some(true));
        // Its second question in the calm had no reply.
        assert!(evidence.active.is_none(), "{evidence:?}");
    });
}

#[test]
fn a_client_that_was_not_served_once_stays_not_served() {
    let mut bystander = Bystander::new(HealthyClient::default());
    let now = Instant::now();

    for is_answered in [false, true] {
        bystander.ask(Moment::During, now);
        bystander.note_asked(is_answered);
    }

    assert_eq!((bystander.during, bystander.after), (Some(false), None));
}

#[test]
fn the_percentile_leaves_out_one_wait_of_a_hundred() {
    let now = Instant::now();
    let service = |millis: &[u64]| {
        let waits = millis.iter().copied().map(Duration::from_millis).collect();
        Bystander { waits, ..Bystander::new(HealthyClient::default()) }.service(now)
    };
    let mut waits = vec![5; 99];
    waits.push(900);

    let (of_hundred, of_one, of_none) = (service(&waits), service(&[7]), service(&[]));

    assert_eq!((of_hundred.replies, of_hundred.p99, of_hundred.longest), (100, Some(0.005), 0.9));
    assert_eq!((of_one.p99, of_one.longest), (Some(0.007), 0.007));
    assert_eq!((of_none.replies, of_none.p99, of_none.longest), (0, None, 0.0));
}
