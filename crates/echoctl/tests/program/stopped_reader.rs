//! Promise: a stopped reader of the output does not affect what is measured, and learns how much it missed.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use echoctl_testkit::{Running, catches_interrupts, reads};
use serde_json::Value;

use crate::running::{Stream, command};
use crate::schema::{conforms, schema};

/// A command whose output is unread until the test reads it.
fn unread(line: &str) -> (Running, UnixStream) {
    let stream = Stream::new();
    let words: Vec<&str> = line.split(' ').collect();
    let child = command(&words).stdout(stream.stdio()).stderr(Stdio::null()).spawn().unwrap();
    (Running(child), stream.into_reader())
}

/// The events in their order, without the empty lines that filled the stream.
fn events(reader: UnixStream) -> impl Iterator<Item = Value> {
    let lines = BufReader::new(reader).lines().map(|line| line.unwrap()).filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(&line).expect(&line))
}

/// Whether a process has a child.
fn has_children(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .is_ok_and(|list| !list.trim().is_empty())
}

#[test]
fn missed_samples_are_counted_in_the_next_and_in_the_summary() {
    // The server is a process without anything else to look at, unlike this one.
    let mut serve = command(&["serve", "--addr", "127.0.0.1:0", "--json"]);
    let mut serve = Running(serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut printed = BufReader::new(serve.0.stdout.take().unwrap());
    let mut listening = String::new();
    printed.read_line(&mut listening).unwrap();
    let listening: Value = serde_json::from_str(&listening).unwrap();
    let addr = listening["addr"].as_str().unwrap();
    // Each sample lists 100 connections, so that a few samples fill the queue.
    let _peers: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
    let (mut watch, reader) = unread(&format!("watch {addr} --json --every 1ms --top 100"));
    watch.wait_until("it catches signals", catches_interrupts);

    // It continues to sample although it cannot print: each sample reads the server's memory, in a few reads.
    let before = reads(watch.pid());
    watch.wait_until("it has looked 100 times", |pid| reads(pid) > before + 1000);
    let published = schema("watch");
    let mut events = events(reader);
    let reported = events.find(|event| event.get("missed").is_some()).unwrap();
    watch.signal("INT");
    let rest: Vec<Value> = events.collect();

    assert_eq!(watch.end("watch").code(), Some(130));
    let summary = rest.last().unwrap();
    assert_eq!((&reported["event"], &summary["event"]), (&"sample".into(), &"summary".into()));
    assert!(summary["missed"].as_u64() >= reported["missed"].as_u64(), "{reported} {summary}");
    for event in [&reported, summary] {
        assert_eq!(conforms(event, &published), Ok(()), "{event}");
    }
}

#[test]
fn an_audit_finishes_though_its_output_is_unread() {
    let stream = Stream::stopped();
    let serve =
        format!("{} serve --addr 127.0.0.1:{{port}} --backpressure off", env!("CARGO_BIN_EXE_echoctl"));
    let line = format!("audit --json --bytes 32MiB --rate 32MiB -- {serve}");
    let words: Vec<&str> = line.split(' ').collect();
    let mut audit = Running(command(&words).stdout(stream.stdio()).stderr(Stdio::null()).spawn().unwrap());
    audit.wait_until("it starts the server", has_children);
    // It stops the server at the end.
    audit.wait_until("it stops the server", |pid| !has_children(pid));

    let summary = events(stream.into_reader()).last().unwrap();

    assert_eq!(audit.end("audit").code(), Some(1), "{summary}");
    assert_eq!((&summary["event"], &summary["verdict"]), (&"summary".into(), &"unbounded".into()));
}
