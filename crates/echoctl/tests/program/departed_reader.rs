//! Promise: a command that prints events ends once their reader has gone, at once and with success; one whose result is its exit code, or that
//! prints no events, does not.

use std::io::{self, BufRead, BufReader, PipeReader, Read, Write, pipe};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::thread;

use echoctl_record::Run;
use echoctl_testkit::{Running, catches_interrupts, echo, server};

use crate::running::command;

/// Starts a command that prints to a pipe.
fn piped(line: &str) -> (Running, PipeReader) {
    let (reader, stdout) = pipe().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    (Running(command(&words).stdout(stdout).stderr(Stdio::null()).spawn().unwrap()), reader)
}

/// Starts a command, closes the other end of its stdout when it runs, and returns its exit code.
fn exit_code_without_reader(line: &str) -> Option<i32> {
    let (mut running, reader) = piped(line);
    running.wait_until("it runs", catches_interrupts);
    drop(reader);
    running.end(line).code()
}

#[test]
fn a_command_that_prints_events_ends_with_their_reader() {
    let echo = server(echo);
    // None of them has anything to print meanwhile, except for the flood.
    let commands = [
        "serve --addr 127.0.0.1:0 --json".to_owned(),
        "serve --addr 127.0.0.1:0 --json --io one-thread".to_owned(),
        "dns --addr 127.0.0.1:0 --json".to_owned(),
        format!("watch {echo} --json --every 1h"),
        format!("watch {echo} --plain --every 1h"),
        "watch --map --json --every 1h".to_owned(),
        "watch --map --plain --every 1h".to_owned(),
        format!("flood {echo} --json --rate 1MiB --for 10m"),
    ];
    thread::scope(|scope| {
        for line in &commands {
            scope.spawn(move || assert_eq!(exit_code_without_reader(line), Some(0), "{line}"));
        }
    });
}

#[test]
fn a_class_is_recorded_although_its_reader_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("class.json");
    let page = "--page 127.0.0.1:0 --json";

    let class = format!("class --addr 127.0.0.1:0 {page} --record {}", recording.display());
    let (mut class, reader) = piped(&class);
    let is_state = |line: io::Result<String>| line.unwrap().starts_with(r#"{"event":"state""#);
    // What it reads from goes with it.
    assert!(BufReader::new(reader).lines().any(is_state), "it shows no state");
    assert_eq!(class.end("class").code(), Some(0));
    let run = Run::read(&std::fs::read(&recording).unwrap()).unwrap();
    assert!(!run.class.unwrap().states.is_empty());

    let replay = format!("class --replay {} {page}", recording.display());
    assert_eq!(exit_code_without_reader(&replay), Some(0));
}

#[test]
fn residents_end_with_their_stdin() {
    for resident in ["class --addr 127.0.0.1:0 --page 127.0.0.1:0", "watch --metrics 127.0.0.1:0"] {
        let (stdin, parent) = pipe().unwrap();
        let words: Vec<&str> = resident.split(' ').chain(["--until-stdin-ends"]).collect();
        let mut running = command(&words);
        running.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running::start(&mut running);
        running.wait_until("it runs", catches_interrupts);
        assert!(running.is_running(), "{resident}");
        drop(parent);

        assert_eq!(running.end(resident).code(), Some(0), "{resident}");
    }
}

#[test]
fn replies_that_have_no_reader_end_send() {
    let addr = server(echo);
    let (reader, stdout) = pipe().unwrap();
    let mut send = command(&["send", &addr.to_string()]);
    let mut send = Running(send.stdin(Stdio::piped()).stdout(stdout).spawn().unwrap());
    drop(reader);

    // Open until the end.
    let mut stdin = send.0.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();

    assert_eq!(send.end("send").code(), Some(0));
}

#[test]
fn a_server_that_prints_no_events_needs_no_reader() {
    let (reader, stdout) = pipe().unwrap();
    let mut serve = command(&["serve", "--addr", "127.0.0.1:0", "--plain"]);
    let mut serve = Running(serve.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap());
    drop(reader);
    let mut said = BufReader::new(serve.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let addr = |line: String| line.split(' ').find_map(|word| word.parse::<SocketAddr>().ok());
    let addr = said.find_map(addr).expect("it says where it listens");

    let mut peer = TcpStream::connect(addr).unwrap();
    peer.write_all(b"hello\n").unwrap();

    let mut reply = [0; 6];
    peer.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"hello\n");
    assert!(serve.is_running());
}
