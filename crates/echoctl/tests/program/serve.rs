//! Promise: `echoctl serve` reports events that conform to the schema, rejects options without effect, does not wait for the
//! reader of its output, and shuts down cleanly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::peer::{echoctl, text};
use crate::schema::{conforms, schema};

/// A running `echoctl serve --json`, stopped on drop.
struct Serve {
    child: Child,
    stdout: BufReader<ChildStdout>,
    listening: Value,
}

impl Serve {
    fn start(arguments: &[&str]) -> Serve {
        let mut child = Command::new(env!("CARGO_BIN_EXE_echoctl"))
            .args(["serve", "--json", "--until-stdin-ends"])
            .env("ECHOCTL_ADDR", "127.0.0.1:0")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Serve { child, stdout, listening: serde_json::from_str(&line).unwrap() }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.listening["addr"].as_str().unwrap()).unwrap()
    }

    /// Closes its stdin, and returns its exit code and all events after `listening`.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), crate::schema::events(&rest))
    }
}

fn round_trip(mut stream: &TcpStream, frame: &[u8]) {
    stream.write_all(frame).unwrap();
    let mut got = vec![0; frame.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, frame);
}

#[test]
fn every_event_conforms_to_the_schema() {
    let serve = Serve::start(&[
        "--backpressure=watermark",
        "--queue-limit=64KiB",
        "--max-frame=10",
        "--sndbuf=64KiB",
        "--stats-every=5ms",
        "--idle-timeout=1h",
        "--write-timeout=1h",
        "--min-rate=1KiB",
    ]);
    let schema = schema("serve");
    assert_eq!(conforms(&serve.listening, &schema), Ok(()));
    assert_eq!(serve.listening["resume_at"], 16 << 10);
    assert!(serve.listening["send_buffer"].as_u64() >= Some(64 << 10));

    let (good, mut bad) = (serve.connect(), serve.connect());
    round_trip(&good, b"fine\n");
    drop(good);
    bad.write_all(b"much too long a line\n").unwrap();
    // End of stream or reset: either way the connection is closed.
    let _ = bad.read_to_end(&mut Vec::new());
    let (code, events) = serve.end();

    assert_eq!(code, Some(0));
    for event in &events {
        assert_eq!(conforms(event, &schema), Ok(()), "{event}");
    }
    let reasons: Vec<_> =
        events.iter().filter(|event| event["event"] == "closed").map(|event| &event["reason"]).collect();
    assert!(reasons.contains(&&"eof".into()) && reasons.contains(&&"frame_too_long".into()), "{reasons:?}");
    let summary = events.last().unwrap();
    assert_eq!((&summary["event"], &summary["accepted"]), (&"summary".into(), &2.into()));
    assert_eq!(summary["sent"], 5);
}

#[test]
fn a_client_that_stops_reading_falls_below_the_minimum_rate() {
    let serve = Serve::start(&["--min-rate=1KiB", "--min-rate-period=100ms"]);
    assert_eq!(serve.listening["min_rate"], 1024);
    assert_eq!(serve.listening["min_rate_period"], 0.1);
    let mut peer = serve.connect();

    // It blocks once all queues are full, and fails once the server has reset the connection.
    peer.write_all(&b"a line of 16 B.\n".repeat(64 << 16)).unwrap_err();
    let (code, events) = serve.end();

    assert_eq!(code, Some(0));
    let closed = events.iter().find(|event| event["event"] == "closed").unwrap();
    assert_eq!(closed["reason"], "min_rate");
    assert_eq!(conforms(closed, &schema("serve")), Ok(()));
}

#[test]
fn it_keeps_serving_while_its_output_is_not_read() {
    let serve = Serve::start(&[]);

    // Each closed connection is an event. Together they exceed the capacity of the pipe and of the channel.
    for _ in 0..4000 {
        round_trip(&serve.connect(), b"x\n");
    }
    round_trip(&serve.connect(), b"still here\n");
    let (code, events) = serve.end();

    assert_eq!(code, Some(0));
    let lost = events.last().and_then(|summary| summary["missed"].as_u64());
    assert!(lost > Some(0), "{:?}", events.last());
}

#[test]
fn it_answers_what_has_arrived_and_exits_when_stdin_is_closed() {
    let serve = Serve::start(&[]);
    let mut peer = serve.connect();
    round_trip(&peer, b"hello\n");

    let (code, events) = serve.end();

    assert_eq!(code, Some(0));
    assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 0, "the peer sees the end");
    assert_eq!(events.last().unwrap()["received"], 6);
}

#[cfg(target_os = "linux")]
#[test]
fn totals_that_cannot_be_written_are_an_error() {
    for format in [&["--json"][..], &[]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_echoctl"));
        serve.args(["serve", "--addr", "127.0.0.1:0", "--until-stdin-ends"]).args(format);

        let output = serve.stdin(Stdio::null()).stdout(full).output().unwrap();

        assert_eq!(output.status.code(), Some(1), "{format:?}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains("error: cannot write the output: "),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn invalid_values_exit_with_2_and_name_the_option() {
    for (arguments, named) in [
        (&["--io=threads", "--backpressure=bounded"][..], "--io: threads"),
        (&["--io=one-thread", "--backpressure=off"], "--io: one-thread"),
        (&["--io=uring", "--backpressure=bounded"], "--io: uring"),
        (&["--framing=raw", "--backpressure=drop"], "--framing: "),
        (&["--queue-limit=1MiB"], "--queue-limit"),
        (&["--backpressure=bounded", "--resume-at=1KiB"], "--resume-at"),
        (&["--backpressure=watermark", "--queue-limit=1KiB", "--resume-at=2KiB"], "--resume-at"),
        (&["--grace=1s"], "--grace"),
        (&["--io=threads", "--workers=2"], "--workers"),
        (&["--write-timeout=0"], "--write-timeout"),
        (&["--idle-timeout=25d"], "24d"),
        (&["--write-timeout=365d"], "24d"),
        (&["--min-rate=0"], "--min-rate"),
        (&["--min-rate=2TiB"], "1 TiB per second"),
        (&["--min-rate=1KiB", "--min-rate-period=25d"], "24d"),
        (&["--min-rate-period=10s"], "--min-rate"),
        (&["--stats-every=0"], "--stats-every"),
        (&["--workers=0"], "from 1 to 1024"),
        (&["--workers=65535"], "from 1 to 1024"),
        (&["--max-connections=0"], "from 1 to 1048576"),
        (&["--max-connections=4294967295"], "from 1 to 1048576"),
        (&["--sndbuf=2GiB"], "1 GiB"),
        (&["--rcvbuf=4GiB"], "1 GiB"),
        (&["--rcvbuf=0"], "--rcvbuf"),
        (&["--max-frame=0"], "--max-frame"),
        (&["--queue-limit=banana"], "--queue-limit"),
        (&["--addr=nowhere"], "--addr"),
    ] {
        let output = echoctl(&[&["serve"], arguments].concat()).output().unwrap();

        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
}

#[test]
fn it_listens_on_a_name() {
    let serve = Serve::start(&["--addr=localhost:0"]);

    let addr: std::net::SocketAddr = serve.listening["addr"].as_str().unwrap().parse().unwrap();
    assert!(addr.ip().is_loopback() && addr.port() > 0, "{addr}");
    round_trip(&serve.connect(), b"hello\n");
}

#[test]
fn a_port_in_use_is_named() {
    let serve = Serve::start(&[]);
    let addr = serve.listening["addr"].as_str().unwrap();

    let output = echoctl(&["serve", "--addr", addr]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(addr), "{}", text(&output.stderr));
}
