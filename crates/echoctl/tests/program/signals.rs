//! Promise: every command exits after the first signal, and immediately after the second, even if its output is unread; and
//! the cursor is restored.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::thread;

use echoctl_testkit::{Running, catches_interrupts, echo, eventually, is_suspended, is_waiting};
use serde_json::Value;

use crate::peer::server;
use crate::pty::Terminal;
use crate::running::{Stream, command};

/// A server that accepts connections and never replies.
fn silent() -> String {
    server(|mut stream| drop(stream.read_to_end(&mut Vec::new())))
}

/// How a command exits after a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// It has work to do at shutdown, and exits with the code of the first signal that it handles.
    Gracefully,
    /// It has not: the signal kills it.
    Killed,
}

/// Commands that run for minutes, or until their output is read.
fn commands() -> Vec<(String, Exit)> {
    use Exit::{Gracefully, Killed};
    let (echo, silent) = (server(echo), silent());
    let serve = format!("{} serve --addr 127.0.0.1:{{port}}", env!("CARGO_BIN_EXE_echoctl"));
    vec![
        ("serve --addr 127.0.0.1:0 --json".to_owned(), Gracefully),
        ("serve --addr 127.0.0.1:0".to_owned(), Gracefully),
        ("dns --addr 127.0.0.1:0 --json".to_owned(), Gracefully),
        ("dns --addr 127.0.0.1:0".to_owned(), Gracefully),
        (format!("watch {echo} --json --every 1ms"), Gracefully),
        (format!("watch {echo}"), Gracefully),
        (format!("flood {echo} --json --rate 1MiB --for 10m"), Gracefully),
        (format!("flood {echo} --rate 1MiB --for 10m"), Gracefully),
        (format!("flood {silent} --rate 1MiB --for 10m"), Gracefully),
        (format!("ping {silent} --for 10m --timeout 10m"), Gracefully),
        (format!("audit {echo} --json --rate 64KiB --for 10m"), Gracefully),
        ("audit --ready-timeout 10m -- sleep 600".to_owned(), Gracefully),
        (format!("audit --rate 64KiB --for 10m -- {serve}"), Gracefully),
        ("demo --json --small --no-report".to_owned(), Gracefully),
        ("demo --small --yes --no-report".to_owned(), Killed),
        (format!("send {silent}"), Killed),
        ("lesson sockets --yes".to_owned(), Killed),
        ("lesson all --yes --json".to_owned(), Killed),
        ("report -".to_owned(), Killed),
        ("compare - -".to_owned(), Killed),
        ("completions bash".to_owned(), Killed),
        ("man".to_owned(), Killed),
        ("doctor".to_owned(), Killed),
    ]
}

/// Whether a command exited as interrupted by one of these signals, with the code that a shell would report. Of two signals at almost
/// the same time, either may be handled first.
fn is_code_of(signals: &[&str], status: ExitStatus) -> bool {
    let number = |signal: &str| match signal {
        "HUP" => 1,
        "INT" => 2,
        "TERM" => 15,
        other => panic!("no number of SIG{other}"),
    };
    signals.iter().any(|signal| status.code() == Some(128 + number(signal)))
}

/// Starts a command whose output is unread, sends it the signals, and checks how it ends.
fn signalled(line: &str, ends: Exit, signals: &[&str]) {
    let stopped = Stream::stopped();
    // Open, so that a command that reads it waits.
    let (stdin, _input) = std::io::pipe().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let child = command(&words).stdin(stdin).stdout(stopped.stdio()).stderr(stopped.stdio()).spawn().unwrap();
    let mut running = Running(child);
    match ends {
        Exit::Gracefully => running.wait_until("it catches signals", catches_interrupts),
        Exit::Killed => running.wait_until("it waits", is_waiting),
    }

    signals.iter().for_each(|signal| running.signal(signal));

    let status = running.end(&format!("{line}, {signals:?}"));
    match ends {
        Exit::Gracefully => assert!(is_code_of(signals, status), "{line}, {signals:?}: {status}"),
        Exit::Killed => assert!(status.signal().is_some(), "{line}, {signals:?}: {status}"),
    }
}

#[test]
fn signals_end_every_command_with_unread_output() {
    let commands = commands();
    thread::scope(|scope| {
        for (index, (line, ends)) in commands.iter().enumerate() {
            scope.spawn(move || {
                // Each signal for a third of the commands, a second one for all.
                signalled(line, *ends, &[["INT", "TERM", "HUP"][index % 3]]);
                signalled(line, *ends, &["INT", "TERM"]);
            });
        }
    });
}

#[test]
fn a_second_signal_ends_a_drain_of_minutes() {
    for signals in [["INT", "INT"], ["TERM", "INT"]] {
        let arguments = ["serve", "--addr=127.0.0.1:0", "--json", "--backpressure=bounded", "--drain=10m"];
        let mut running = Running(command(&arguments).stdout(Stdio::piped()).spawn().unwrap());
        let mut events = BufReader::new(running.0.stdout.take().unwrap()).lines().map(|line| {
            let line = line.unwrap();
            serde_json::from_str::<Value>(&line).expect(&line)
        });
        let listening = events.next().unwrap();
        let peer = stalled_peer(listening["addr"].as_str().unwrap());

        running.signal(signals[0]);
        let ending = events.find(|event| event["event"] == "draining").unwrap();
        assert_eq!((&ending["connections"], &ending["timeout"]), (&1.into(), &600.0.into()));
        // Two signals at once count as one request; a later one is another.
        thread::sleep(std::time::Duration::from_millis(50));
        running.signal(signals[1]);

        assert!(is_code_of(&signals[..1], running.end("serve --drain 10m")), "{signals:?}");
        drop(peer);
    }
}

/// A peer that reads nothing, with more pending than both kernels can buffer.
fn stalled_peer(addr: &str) -> TcpStream {
    let mut peer = TcpStream::connect(addr).unwrap();
    peer.set_nonblocking(true).unwrap();
    let frames = b"0123456789abcde\n".repeat(4096);
    // It is stalled when the kernel has accepted nothing in many attempts, between which the server could run.
    let mut refused = 0;
    eventually("the server reads nothing", || {
        refused = if peer.write(&frames).is_err() { refused + 1 } else { 0 };
        refused == 50
    });
    peer
}

#[test]
fn the_cursor_is_restored_after_signals() {
    let echo = server(echo);
    let live = [
        format!("flood {echo} --rate 1MiB --for 10m"),
        format!("watch {echo}"),
        "demo --small --yes --no-report".to_owned(),
    ];
    for line in &live {
        for signals in [&["INT"][..], &["INT", "INT"], &["TERM", "INT"]] {
            let terminal = Terminal::open();
            let words: Vec<&str> = line.split(' ').collect();
            let child = command(&words)
                .stdin(terminal.stdio())
                .stdout(terminal.stdio())
                .stderr(terminal.stdio())
                .spawn()
                .unwrap();
            let mut running = Running(child);
            running.wait_until("it hides the cursor", |_| terminal.shows(HIDE));

            signals.iter().for_each(|signal| running.signal(signal));

            let status = running.end(line);
            assert!(is_code_of(signals, status), "{line}, {signals:?}: {status}");
            let shown = terminal.close();
            assert!(shown.rfind(SHOW) > shown.rfind(HIDE), "{line}, {signals:?}: {shown:?}");
        }
    }
}

#[test]
fn the_cursor_is_restored_when_stopped_or_killed() {
    for (signal, dies) in [("TSTP", false), ("QUIT", true), ("ABRT", true)] {
        let terminal = Terminal::open();
        let addr = server(echo);
        // In one statement, since the command also holds the terminal open. In a process group of its own whose parent is in
        // another group of the session, since the kernel does not stop an orphaned group.
        let child = command(&["watch", &addr]).stderr(terminal.stdio()).process_group(0).spawn().unwrap();
        let mut running = Running(child);
        running.wait_until("it hides the cursor", |_| terminal.shows(HIDE));
        running.wait_until("it catches signals", catches_interrupts);

        running.signal(signal);

        if dies {
            assert!(running.end(signal).signal().is_some());
        } else {
            running.wait_until("it is suspended", is_suspended);
            running.wait_until("the cursor is shown", |_| terminal.shows(SHOW));
            running.signal("CONT");
            running.wait_until("it goes on", |pid| !is_suspended(pid));
            running.signal("INT");
            assert_eq!(running.end(signal).code(), Some(130));
        }
        let shown = terminal.close();
        assert!(shown.rfind(SHOW) > shown.rfind(HIDE), "{signal}: {shown:?}");
    }
}

const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";
