//! Promise: at the end everything that is pending is read and checked, and the drain ends for a reason that is recorded.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use echoctl_audit::{AuditConfig, Preset, Script};
use echoctl_record::{Drain, EchoFault, StopReason};
use echoctl_testkit::server;
use echoctl_verdict::audit::{Cause, figures};

#[cfg(target_os = "linux")]
use crate::support::command::{attack, start};

/// Attacks a server that runs `serve` for each connection, and returns what was drained, and the bytes that were lost.
fn drained(script: Script, serve: impl Fn(&TcpStream) + Clone + Send + 'static) -> (Drain, Option<u64>) {
    let addr = server(move |stream| serve(&stream));
    let config = AuditConfig { budget: 64 << 20, ..AuditConfig::new(addr, script) };
    let outcome = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap();
    let lost = figures(&outcome.evidence).lost;
    (outcome.evidence.drain.unwrap(), lost)
}

fn raw() -> Script {
    Preset::Raw.script("127.0.0.1")
}

/// Echoes what `change` makes of each piece at its offset, and ends when it returns `false`.
fn echo(mut stream: &TcpStream, mut change: impl FnMut(u64, &mut Vec<u8>) -> bool) {
    let (mut buffer, mut offset) = (vec![0; 64 << 10], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let mut piece = buffer[..count].to_vec();
        let goes_on = change(offset, &mut piece);
        offset += count as u64;
        if stream.write_all(&piece).is_err() || !goes_on {
            break;
        }
    }
}

#[test]
fn an_echo_comes_back_complete() {
    let (drain, lost) = drained(raw(), |stream| echo(stream, |_, _| true));

    assert_eq!((drain.stopped, drain.damaged_at, lost), (StopReason::Complete, None, Some(0)));
    assert_eq!(drain.fault, None);
    assert_eq!(drain.first_text.as_deref().map(str::len), Some(120));
    assert_eq!(drain.curve.last().unwrap().1, drain.bytes);
}

#[test]
fn a_changed_byte_is_found_at_its_offset() {
    let (drain, _) = drained(raw(), |stream| {
        echo(stream, |offset, piece| {
            if (offset..offset + piece.len() as u64).contains(&1_000_003) {
                piece[(1_000_003 - offset) as usize] = b'y';
            }
            true
        });
    });

    assert_eq!((drain.stopped, drain.damaged_at), (StopReason::Complete, Some(1_000_003)));
    assert_eq!(drain.fault, Some(EchoFault::Changed));
}

#[test]
fn lost_bytes_are_waited_for_and_counted() {
    let (drain, lost) = drained(raw(), |stream| {
        echo(stream, |offset, piece| {
            if offset > 1 << 20 {
                piece.truncate(piece.len() / 2);
            }
            true
        });
    });

    assert_eq!((drain.stopped, drain.fault), (StopReason::Quiet, Some(EchoFault::Lost)));
    assert!(lost.unwrap() > 0);
}

#[test]
fn what_a_server_does_not_read_is_not_lost() {
    let (drain, lost) = drained(raw(), |stream| {
        echo(stream, |offset, _| offset < 1 << 20);
        // It reads no more, and keeps the connection.
        loop {
            std::thread::park();
        }
    });

    assert_eq!((drain.stopped, drain.fault, lost), (StopReason::Quiet, None, Some(0)));
}

#[test]
#[cfg(target_os = "linux")]
fn an_echo_that_reads_no_more_after_a_stall_is_stuck() {
    // In a process of its own: other tests of this one need memory meanwhile.
    let judgement = attack(&start(&["stuck", "{port}"])).unwrap().judgement;

    assert_eq!(judgement.cause, Cause::StaysStuck);
    assert!(judgement.reason.contains("never read the rest"), "{}", judgement.reason);
}

#[test]
fn a_message_that_is_dropped_in_part_is_torn() {
    let without = |from: u64, to: u64| {
        let (drain, _) = drained(Preset::Echo.script("127.0.0.1"), move |stream| {
            echo(stream, |offset, piece| {
                let inside = |at: u64| (at.clamp(offset, offset + piece.len() as u64) - offset) as usize;
                piece.drain(inside(from)..inside(to));
                true
            });
        });
        drain.fault
    };

    // A line has 1 KiB.
    assert_eq!(without(1 << 20, (1 << 20) + 4096), Some(EchoFault::Lost));
    assert_eq!(without((1 << 20) + 500, (1 << 20) + 1500), Some(EchoFault::Torn));
}

#[test]
fn a_piece_that_is_sent_again_is_repeated() {
    let (drain, _) = drained(raw(), |stream| {
        echo(stream, |offset, piece| {
            if offset > 1 << 20 {
                piece.extend_from_within(..);
            }
            true
        });
    });

    assert_eq!(drain.fault, Some(EchoFault::Repeated));
}

#[test]
fn an_echo_is_detected_where_the_script_says_nothing() {
    let script = Script { echo: false, ..raw() };

    let (drain, lost) = drained(script, |stream| echo(stream, |_, _| true));

    assert_eq!((drain.stopped, drain.fault, lost), (StopReason::Complete, None, Some(0)));
}

#[test]
fn a_greeting_before_an_echo_is_not_compared() {
    let (drain, _) = drained(raw(), |mut stream| {
        stream.write_all(b"220 welcome\r\n").unwrap();
        echo(stream, |_, _| true);
    });

    assert_eq!((drain.stopped, drain.damaged_at, drain.fault), (StopReason::Complete, None, None));
    assert_eq!(drain.first_text.as_deref(), Some("220 welcome"));
}

#[test]
fn a_server_that_answers_something_else_has_no_fault() {
    let (drain, _) = drained(raw(), |mut stream| {
        let answer = b"-ERR unknown command\r\n".repeat(1000);
        while let Ok(1..) = stream.read(&mut [0; 16 << 10]) {
            if stream.write_all(&answer).is_err() {
                break;
            }
        }
    });

    assert_eq!((drain.damaged_at, drain.fault), (Some(0), None));
}

#[test]
fn a_server_that_disconnects_during_the_drain_ends_it() {
    // It gives up a client that has kept it waiting, once it can write again.
    let (drain, _) = drained(raw(), |stream| {
        let mut last = Instant::now();
        echo(stream, |_, _| std::mem::replace(&mut last, Instant::now()).elapsed() < Duration::from_secs(1));
    });

    assert_eq!(drain.stopped, StopReason::Closed);
}

#[test]
fn an_endless_reply_is_read_only_as_far_as_needed() {
    let script = Preset::Sse("/".to_owned()).script("127.0.0.1");

    let (drain, lost) = drained(script, |mut stream| while stream.write_all(&[b'x'; 64 << 10]).is_ok() {});

    assert_eq!((drain.stopped, drain.damaged_at, lost), (StopReason::Enough, None, None));
}

#[test]
fn a_feed_that_ignores_its_input_is_no_queue() {
    // 8 MiB/s, of which the client gets what fits into the kernels' queues.
    let addr = server(|stream| {
        let mut input = stream.try_clone().unwrap();
        thread::spawn(move || while let Ok(1..) = input.read(&mut [0; 64 << 10]) {});
        stream.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let is_gone = |error: io::Error| !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        while !(&stream).write(&[b'x'; 16 << 10]).is_err_and(is_gone) {
            thread::sleep(Duration::from_millis(2));
        }
    });

    let outcome = AuditConfig::new(addr, raw()).attack(&AtomicBool::new(false), &mut |_| {}).unwrap();

    // The memory is that of all tests, so that its growth says nothing.
    assert!(outcome.evidence.unprompted.is_some_and(|rate| rate > 0), "{:?}", outcome.judgement);
    assert_ne!(outcome.judgement.cause, Cause::DrainedAQueue, "{}", outcome.judgement.reason);
}
