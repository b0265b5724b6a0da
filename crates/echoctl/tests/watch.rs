//! Promise: `echoctl watch` shows a live server's queues without a byte sent, and `echoctl doctor` what can be seen.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod peer;
mod schema;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use peer::{echoctl, nobody, text};
use schema::{conforms, events, schema};

/// A server of which we are a client, with bytes that it has not read.
fn unread(bytes: usize) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    client.write_all(&vec![1; bytes]).unwrap();
    (listener, client, server)
}

#[test]
fn bytes_that_a_server_has_not_read_are_seen_in_its_receive_queue() {
    let (listener, client, _server) = unread(5000);
    let port = listener.local_addr().unwrap().port().to_string();

    let output = echoctl(&["watch", &port, "--json", "--for", "600ms", "--every", "200ms"]).output().unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events = events(&output.stdout);
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    let sample = &events[events.len() - 2];
    assert_eq!((&sample["connections"], &sample["s_received"]), (&1.into(), &5000.into()));
    assert_eq!(sample["s_read"], 0);
    let top = &sample["top"][0];
    assert_eq!(top["client"], client.local_addr().unwrap().to_string());
    assert_eq!((&top["server_receive"], &top["server_send"]), (&5000.into(), &0.into()));
    let pid = std::process::id();
    assert_eq!(events[0]["pid"], pid, "this test is the server");
}

#[test]
fn a_pid_stands_for_all_that_the_process_listens_at() {
    let (listener, _client, _server) = unread(7);
    let pid = std::process::id().to_string();

    let output = echoctl(&["watch", "--pid", &pid, "--json", "--for", "100ms"]).output().unwrap();

    let addr = listener.local_addr().unwrap().to_string();
    let first = &events(&output.stdout)[0];
    assert!(first["addr"].as_array().unwrap().iter().any(|one| one == addr.as_str()), "{first}");
}

#[test]
fn connections_that_come_while_it_runs_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (done, running) = mpsc::channel::<()>();
    // One connection after the other, as long as it is watched.
    let clients = std::thread::spawn(move || {
        let mut held = Vec::new();
        while running.try_recv() == Err(mpsc::TryRecvError::Empty) {
            held.push((TcpStream::connect(addr).unwrap(), listener.accept().unwrap()));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    });

    let output = echoctl(&["watch", &addr.to_string(), "--plain", "--for", "2500ms"]).output().unwrap();
    drop(done);
    clients.join().unwrap();

    let said = text(&output.stdout);
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    let total = said.lines().find(|line| line.contains("connections seen")).unwrap();
    let seen: u32 = total.split(' ').next().unwrap().parse().unwrap();
    assert!(seen >= 2, "{said}");
}

#[test]
fn where_nobody_listens_it_says_so_and_exits_with_4() {
    let (_socket, addr) = nobody();

    let output = echoctl(&["watch", &addr]).output().unwrap();

    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("nobody listens"), "{}", text(&output.stderr));
}

#[test]
fn the_doctor_finds_the_ledger_right_at_rest_and_says_what_is_visible() {
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
    assert_eq!(trusted, events[0]["doubts"].as_array().unwrap().is_empty());
}
