//! Promise: a reader of our output that has stopped changes nothing about what is measured, and is told what it missed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod peer;
mod running;
mod schema;

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use peer::{echo, server};
use running::{Running, Stream, catches_interrupts, command, reads};
use schema::{conforms, schema};
use serde_json::Value;

/// A command whose output nobody reads until the test does.
fn unread(line: &str) -> (Running, UnixStream) {
    let stream = Stream::new();
    let words: Vec<&str> = line.split(' ').collect();
    let child = command(&words).stdout(stream.stdio()).stderr(Stdio::null()).spawn().unwrap();
    (Running(child), stream.into_reader())
}

/// The events as they come, the empty lines left out that have filled the stream.
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
    let addr = server(echo);
    // Each sample names 100 connections, so that few of them fill what waits for a reader.
    let _peers: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(&addr).unwrap()).collect();
    let (mut watch, reader) = unread(&format!("watch {addr} --json --every 1ms --top 100"));
    watch.wait_until("it catches signals", catches_interrupts);

    // It goes on looking, though it cannot print any more: each look reads the server's memory, in a few reads.
    let before = reads(watch.pid());
    watch.wait_until("it has looked 100 times", |pid| reads(pid) > before + 1000);
    let published = schema("watch");
    let mut events = events(reader);
    let told = events.find(|event| event.get("missed").is_some()).unwrap();
    watch.signal("INT");
    let rest: Vec<Value> = events.collect();

    assert_eq!(watch.end("watch").code(), Some(130));
    let summary = rest.last().unwrap();
    assert_eq!((&told["event"], &summary["event"]), (&"sample".into(), &"summary".into()));
    assert!(summary["missed"].as_u64() >= told["missed"].as_u64(), "{told} {summary}");
    for event in [&told, summary] {
        assert_eq!(conforms(event, &published), Ok(()), "{event}");
    }
}

#[test]
fn an_audit_comes_to_its_verdict_though_nobody_reads() {
    let stream = Stream::stopped();
    let serve =
        format!("{} serve --addr 127.0.0.1:{{port}} --backpressure off", env!("CARGO_BIN_EXE_echoctl"));
    let line = format!("audit --json --bytes 32MiB --rate 32MiB -- {serve}");
    let words: Vec<&str> = line.split(' ').collect();
    let mut audit = Running(command(&words).stdout(stream.stdio()).stderr(Stdio::null()).spawn().unwrap());
    audit.wait_until("it starts the server", has_children);
    // It stops the server when it is through with it.
    audit.wait_until("it stops the server", |pid| !has_children(pid));

    let summary = events(stream.into_reader()).last().unwrap();

    assert_eq!(audit.end("audit").code(), Some(1), "{summary}");
    assert_eq!((&summary["event"], &summary["verdict"]), (&"summary".into(), &"unbounded".into()));
}
