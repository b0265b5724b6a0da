//! Promise: `echoctl watch` shows a live server's queues without sending to it, and `echoctl doctor` shows what is visible.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use echoctl_testkit::{eventually, signal};
use serde_json::{Value, json};

use crate::peer::{closed_addr, echoctl, text, wait_until_it_catches_interrupts};
use crate::schema::{conforms, events, schema};

/// A server and our connection to it, with bytes that it has not read.
fn unread(bytes: usize) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    client.write_all(&vec![1; bytes]).unwrap();
    (listener, client, server)
}

#[test]
fn unread_bytes_are_in_the_server_receive_queue() {
    let (listener, client, _server) = unread(5000);
    let port = listener.local_addr().unwrap().port().to_string();

    let output = echoctl(&["watch", &port, "--json", "--for", "600ms", "--every", "200ms"]).output().unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events = events(&output.stdout);
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    let sample = &events[events.len() - 2];
    assert_eq!((&sample["connections"], &sample["server_received"]), (&1.into(), &5000.into()));
    assert_eq!(sample["server_read"], 0);
    let top = &sample["top"][0];
    assert_eq!(top["client"], client.local_addr().unwrap().to_string());
    assert_eq!((&top["server_receive"], &top["server_send"]), (&5000.into(), &0.into()));
    let pid = std::process::id();
    assert_eq!(events[0]["pid"], pid, "this test is the server");
}

#[test]
fn a_pid_selects_all_its_listening_addresses() {
    let (listener, _client, _server) = unread(7);
    let pid = std::process::id().to_string();

    let output = echoctl(&["watch", "--pid", &pid, "--json", "--for", "100ms"]).output().unwrap();

    let addr = listener.local_addr().unwrap().to_string();
    let first = &events(&output.stdout)[0];
    assert!(first["addr"].as_array().unwrap().iter().any(|one| one == addr.as_str()), "{first}");
}

/// Starts a watch of `addr`, and returns it with its output.
fn watching(addr: &str, more: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_echoctl"))
        .args(["watch", addr, "--plain", "--every", "50ms", "--for", "2m"])
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Interrupts a watch as Ctrl-C does, and returns its output and exit code.
fn interrupted(mut child: Child, lines: Lines<BufReader<ChildStdout>>) -> (String, Option<i32>) {
    wait_until_it_catches_interrupts(child.id());
    signal(child.id(), "INT");
    let said: Vec<String> = lines.map(|line| line.unwrap()).collect();
    (said.join("\n"), child.wait().unwrap().code())
}

#[test]
fn connections_opened_later_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (child, mut lines) = watching(&addr.to_string(), &[]);
    let mut open = Vec::new();

    for count in 1..=2 {
        open.push((TcpStream::connect(addr).unwrap(), listener.accept().unwrap()));
        let seen = format!("  {count} open");
        assert!(lines.any(|line| line.unwrap().contains(&seen)), "{seen} was never printed");
    }
    let (said, code) = interrupted(child, lines);

    assert_eq!(code, Some(130));
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(said.contains("2 connections seen, at most 2 at once"), "{said}");
}

#[test]
fn the_queues_of_a_unix_socket_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(&[1; 5000]).unwrap();
    server.write_all(&[1; 300]).unwrap();
    let target = format!("unix:{}", path.display());

    // On a busy machine the process of a client may be found after the last sample.
    let me = format!("(pid {})", std::process::id());
    let events = eventually("the client's process is found", || {
        let output =
            echoctl(&["watch", &target, "--json", "--for", "50ms", "--every", "50ms"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let events = events(&output.stdout);
        let is_found = events[1]["top"][0]["client"].as_str().is_some_and(|client| client.ends_with(&me));
        if is_found { Ok(events) } else { Err(events[1].to_string()) }
    });
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    assert_eq!((&events[0]["addr"][0], &events[0]["pid"]), (&target.into(), &std::process::id().into()));
    let sample = &events[1];
    assert_eq!((&sample["connections"], &sample["server_received"]), (&1.into(), &5000.into()));
    let top = &sample["top"][0];
    assert_eq!((&top["server_receive"], &top["client_receive"]), (&5000.into(), &300.into()));
    assert_eq!((&top["received"], &top["server"]), (&Value::Null, &Value::Null), "neither is known");
}

#[test]
fn plain_lines_are_ascii() {
    let (listener, _client, _server) = unread(1);
    let addr = listener.local_addr().unwrap().to_string();

    let output = echoctl(&["watch", &addr, "--plain", "--every", "1ms", "--for", "20ms"]).output().unwrap();

    // The time of the first line may be in microseconds.
    let printed = text(&output.stdout);
    assert!(printed.contains("  1 open") && printed.is_ascii(), "{printed}");
}

#[test]
fn a_watch_goes_on_when_one_of_two_listening_processes_exits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let inherited = OwnedFd::from(listener.try_clone().unwrap());
    let mut second = Command::new("cat").stdin(Stdio::piped()).stdout(inherited).spawn().unwrap();
    let (child, mut lines) = watching(&addr.to_string(), &[]);
    lines.next().unwrap().unwrap();

    drop(second.stdin.take());
    second.wait().unwrap();
    let _client = TcpStream::connect(addr).unwrap();
    let _server = listener.accept().unwrap();
    assert!(lines.any(|line| line.unwrap().contains("  1 open")), "the watch ended");
    let (said, code) = interrupted(child, lines);

    assert_eq!(code, Some(130));
    assert!(!said.contains("exited"), "{said}");
}

#[test]
fn a_record_of_a_watch_can_be_drawn_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (record, page) = (path("run.json"), path("run.html"));
    let (listener, _client, _server) = unread(5000);
    let addr = listener.local_addr().unwrap().to_string();
    let (child, mut lines) = watching(&addr, &["--record", &record, "--report", &page]);

    assert!(lines.any(|line| line.unwrap().contains("1 open")));
    interrupted(child, lines);

    let run: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!(conforms(&run, &schema("run")), Ok(()));
    assert_eq!((&run["target"], &run["watch"]["max_queued"]), (&addr.clone().into(), &5000.into()));
    assert_eq!(run["summary"], Value::Null, "a watch does not send, so it has verified and lost nothing");
    for sample in run["samples"].as_array().unwrap() {
        assert_eq!((&sample["server_received"], &sample["server_read"]), (&5000.into(), &0.into()));
        assert_eq!(sample["is_echo"], false, "what is inside the server is not known");
    }
    assert!(std::fs::read_to_string(&page).unwrap().contains("without sending anything: 1 connection"));
    for arguments in [vec!["report", &record, "--plain"], vec!["compare", &record, &record, "--plain"]] {
        let output = echoctl(&arguments).output().unwrap();
        let drawn = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(drawn.contains("connections seen"), "{drawn}");
        assert!(!drawn.contains("frames lost"), "{drawn}");
    }
}

/// A server of this process with a client that reads nothing of the megabytes that it is sent.
fn stalled_client() -> (TcpListener, TcpStream, TcpStream) {
    let (listener, client, mut server) = unread(0);
    server.set_nonblocking(true).unwrap();
    // The kernels' queues are full once nothing is accepted any more.
    while server.write(&[1; 65_536]).is_ok() {}
    (listener, client, server)
}

#[test]
fn a_stalled_client_is_the_culprit_in_json_and_in_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("run.json").to_str().unwrap().to_owned();
    let (listener, client, _server) = stalled_client();
    let addr = listener.local_addr().unwrap().to_string();

    let arguments = ["watch", &addr, "--json", "--for", "3s", "--every", "250ms", "--record", &record];
    let output = echoctl(&arguments).output().unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events = events(&output.stdout);
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    let client = Value::from(client.local_addr().unwrap().to_string());
    let (sample, summary) = (&events[events.len() - 2], &events[events.len() - 1]);
    assert_eq!(sample["causes"], json!({"client_does_not_read": 1}), "{sample}");
    for top in [&sample["top"][0], &summary["top"][0]] {
        assert_eq!((&top["client"], &top["cause"]), (&client, &"client_does_not_read".into()), "{top}");
        assert!(top["cause_seconds"].as_f64().unwrap() >= 2.0, "{top}");
        assert_eq!((&top["waits_for"], &top["send_rate"]), (&"client".into(), &0.0.into()), "{top}");
        assert!(top["server_send"].as_u64().unwrap() > 0, "{top}");
    }
    assert_eq!(sample["listeners"][0]["listen"], addr);
    assert!(events[1]["top"][0]["send_rate"].is_null(), "no rate is known in the first sample");
    let run: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!(conforms(&run, &schema("run")), Ok(()));
    assert_eq!(run["watch"]["top"], summary["top"]);
    let drawn = echoctl(&["report", &record, "--plain"]).output().unwrap();
    // A line that is too long for the terminal is wrapped.
    let drawn = text(&drawn.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(drawn.contains("client does not read ("), "{drawn}");
}

#[test]
fn a_stalled_client_is_named_below_a_line() {
    let (listener, client, _server) = stalled_client();
    let addr = listener.local_addr().unwrap();
    let (child, mut lines) = watching(&addr.to_string(), &["--explain"]);
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("in - out -"), "no rate is known yet: {first}");

    let client = client.local_addr().unwrap();
    let named = lines.by_ref().map(|line| line.unwrap()).find(|line| line.contains("client does not read ("));
    let named = named.expect("the watch goes on until it is named");
    let command = lines.next().unwrap().unwrap();
    let (said, code) = interrupted(child, lines);

    assert!(named.starts_with(&format!("    {client} ")) && named.contains(" queued"), "{named}");
    let expected = format!("      ss -tnmio 'sport = :{} and dst = {client}'", addr.port());
    assert!(command.starts_with(&expected), "{command}");
    assert_eq!(code, Some(130));
    let sentence = format!("{client}: client does not read (");
    assert!(said.lines().any(|line| line.starts_with(&sentence)), "{said}");
}

#[test]
fn what_is_not_accepted_is_counted_with_its_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let waiting = TcpStream::connect(addr).unwrap();

    let output = echoctl(&["watch", &addr.to_string(), "--json", "--for", "100ms"]).output().unwrap();

    let sample = &events(&output.stdout)[1];
    assert_eq!(sample["listeners"][0]["accept_queue"], 1, "{sample}");
    assert_eq!(sample["causes"], json!({"in_accept_queue": 1}));
    assert_eq!(sample["top"][0]["client"], waiting.local_addr().unwrap().to_string());
}

#[test]
fn a_target_without_listener_exits_with_4() {
    let (_socket, addr) = closed_addr();

    let output = echoctl(&["watch", &addr]).output().unwrap();

    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("listens"), "{}", text(&output.stderr));
}

#[test]
fn the_doctor_trusts_a_ledger_that_balances() {
    let output = echoctl(&["doctor", "--json"]).output().unwrap();

    let events = events(&output.stdout);
    assert_eq!(conforms(&events[0], &schema("doctor")), Ok(()));
    assert_eq!((&events[0]["stalled_error"], &events[0]["sees_server_end"]), (&0.into(), &true.into()));
    let trusted = events[0]["trusted"].as_bool().unwrap();
    assert_eq!(
        output.status.code(),
        Some(if trusted { 0 } else { 3 }),
        "a busy machine may be in doubt, and says why"
    );
    assert_eq!(trusted, events[0]["warnings"].as_array().unwrap().is_empty());
}
