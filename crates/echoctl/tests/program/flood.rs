//! Promise: `echoctl flood` reports how every byte came back, asks for consent before it floods a foreign server, and its exit code
//! shows faults.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
#[cfg(target_os = "linux")]
use std::process::Stdio;

use echoctl_record::{Run, Summary, Verdict};
use echoctl_testkit::{Running, echo};
use serde_json::Value;

use crate::peer::{closed_addr, echoctl, server, text};
use crate::schema::{conforms, schema};

fn events(stdout: &[u8]) -> Vec<Value> {
    text(stdout).lines().map(|line| serde_json::from_str(line).expect("one JSON object per line")).collect()
}

fn summary(stdout: &[u8]) -> Summary {
    let events = events(stdout);
    let last = events.last().expect("a summary");
    assert_eq!(last["event"], "summary");
    assert_eq!(conforms(last, &schema("summary")), Ok(()));
    serde_json::from_value(last.clone()).expect("the summary is of the shape that echoctl-record publishes")
}

/// Echoes everything, with the byte at offset `at` changed.
fn corrupting_echo(at: usize) -> impl Fn(TcpStream) + Clone + Send + 'static {
    move |mut stream| {
        let (mut chunk, mut before) = ([0; 4096], 0);
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            if (before..before + length).contains(&at) {
                chunk[at - before] ^= 1;
            }
            before += length;
            if stream.write_all(&chunk[..length]).is_err() {
                return;
            }
        }
    }
}

#[test]
fn every_byte_that_comes_back_is_verified() {
    for more in [&["--framing", "u16", "--size", "64..4KiB"][..], &["--connections", "5"], &[]] {
        let addr = server(echo);
        let arguments = [&["flood", &addr, "--bytes", "2MiB", "--json"], more].concat();

        let output = echoctl(&arguments).output().unwrap();

        let summary = summary(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(summary.produced >= 2 << 20, "{summary:?}");
        assert_eq!((summary.consumed, summary.verified()), (summary.produced, summary.produced));
        let integrity = summary.integrity.unwrap();
        assert_eq!((integrity.lost, integrity.duplicated, integrity.mismatched), (0, 0, 0));
        assert_eq!(summary.verdict, None, "a client that reads everything puts no server to the test");
    }
}

#[test]
fn counters_of_each_sample_fall_along_the_path() {
    let addr = server(echo);

    let output = echoctl(&["flood", &addr, "--no-read", "--for", "1s", "--json"]).output().unwrap();

    let summary = summary(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(summary.consumed, 0);
    assert!(summary.produced > 0 && summary.verdict.is_some(), "{summary:?}");
    for sample in events(&output.stdout).iter().filter(|event| event["event"] == "sample") {
        let order = ["produced", "server_received", "server_read", "client_received", "consumed"];
        let counters: Vec<u64> = order.iter().filter_map(|name| sample[name].as_u64()).collect();
        assert_eq!(conforms(sample, &schema("sample")), Ok(()));
        assert!(counters.is_sorted_by(|a, b| a >= b), "{sample}");
    }
}

#[test]
fn then_read_drains_all_pending_replies() {
    let addr = server(echo);

    let output =
        echoctl(&["flood", &addr, "--no-read", "--for", "500ms", "--then-read", "--json"]).output().unwrap();

    let summary = summary(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!((summary.consumed, summary.verified()), (summary.produced, summary.produced));
}

#[test]
fn a_wrong_byte_is_reported_with_its_offset() {
    let addr = server(corrupting_echo(300_000));

    let output = echoctl(&["flood", &addr, "--bytes", "1MiB"]).output().unwrap();

    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("came back wrong") && printed.contains("bytes into the replies"), "{printed}");
}

#[test]
fn a_server_that_disconnects_is_reported() {
    let addr = server(|mut stream| {
        let _ = stream.read_exact(&mut [0; 100_000]);
    });

    let output = echoctl(&["flood", &addr, "--for", "30s"]).output().unwrap();

    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("the server ended the connection") || printed.contains("closed the connection"),
        "{printed}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_is_killed_has_crashed() {
    for round in 0..20 {
        let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"));
        serve.args([
            "serve",
            "--addr",
            "127.0.0.1:0",
            "--backpressure",
            "off",
            "--json",
            "--until-stdin-ends",
        ]);
        let mut server = serve.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut reported = lines(server.stdout.take().unwrap());
        let listening: Value = reported.next().unwrap();
        let addr = listening["addr"].as_str().unwrap();
        let mut flood = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"));
        flood.args(["flood", addr, "--no-read", "--for", "60s", "--json"]);
        let mut flood = flood.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut events = lines(flood.stdout.take().unwrap());

        let sends = events.find(|event| event["produced"].as_u64() > Some(round << 20));
        server.kill().unwrap();
        let summary = events.last();
        server.wait().unwrap();
        let status = flood.wait().unwrap();

        assert!(sends.is_some(), "round {round}");
        assert_eq!(summary.unwrap()["verdict"], "crashes", "round {round}");
        assert_eq!(status.code(), Some(1), "round {round}");
    }
}

/// A server with a second process, which has its listener open, too, and exits when the first bytes have arrived. `serve` then
/// gets the connection.
#[cfg(target_os = "linux")]
fn server_whose_second_process_exits(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address").to_string();
    let inherited = std::os::fd::OwnedFd::from(listener.try_clone().expect("a descriptor"));
    let mut second = std::process::Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(inherited)
        .spawn()
        .expect("cat is there");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        stream.peek(&mut [0]).expect("its first byte");
        drop(second.stdin.take());
        second.wait().expect("it is our child");
        serve(stream);
    });
    addr
}

#[cfg(target_os = "linux")]
#[test]
fn an_exit_of_one_of_two_processes_is_no_fault() {
    let addr = server_whose_second_process_exits(echo);

    let output = echoctl(&["flood", &addr, "--bytes", "1MiB", "--json"]).output().unwrap();

    let summary = summary(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{summary:?} {}", text(&output.stderr));
    assert_eq!(summary.verified(), 1 << 20);
}

#[cfg(target_os = "linux")]
#[test]
fn an_exit_that_closes_the_connections_is_a_crash() {
    let addr = server_whose_second_process_exits(drop);

    let output = echoctl(&["flood", &addr, "--no-read", "--for", "60s", "--json"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(events(&output.stdout).last().unwrap()["verdict"], "crashes");
}

#[cfg(target_os = "linux")]
#[test]
fn an_exit_after_all_came_back_is_named() {
    let process = std::process::Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = process.id().to_string();
    let process = std::sync::Arc::new(std::sync::Mutex::new(process));
    let addr = server(move |stream| {
        stream.peek(&mut [0]).unwrap();
        process.lock().unwrap().kill().unwrap();
        process.lock().unwrap().wait().unwrap();
        echo(stream);
    });

    let output = echoctl(&["flood", &addr, "--pid", &pid, "--bytes", "1MiB"]).output().unwrap();

    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(text(&output.stdout).contains("All 1 MiB came back, every byte identical"));
    assert!(errors.contains(&format!("error: the server exited during the run (pid {pid})")), "{errors}");
}

/// Events of a running program.
#[cfg(target_os = "linux")]
fn lines(output: impl Read) -> impl Iterator<Item = Value> {
    let lines = std::io::BufRead::lines(std::io::BufReader::new(output));
    lines.map(|line| serde_json::from_str(&line.expect("output is read")).expect("one JSON object per line"))
}

#[test]
fn remote_targets_need_consent() {
    let output = echoctl(&["flood", "192.0.2.1:7", "--no-read"]).output().unwrap();

    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed.contains("192.0.2.1:7") && printed.contains("--allow-remote"), "{printed}");
}

#[test]
fn connection_refused_names_the_address_and_a_remedy() {
    let (_socket, addr) = closed_addr();

    let output = echoctl(&["flood", &addr]).output().unwrap();

    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4));
    assert!(printed.contains(&addr) && printed.contains("echoctl serve"), "{printed}");
}

#[test]
fn invalid_options_are_named_and_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    for wrong in [
        &["--size", "0"][..],
        &["--size", "9..3"],
        &["--size", "8"],
        &["--framing", "u16", "--size", "70KiB"],
        &["--rate", "fast"],
        &["--connections", "0"],
        &["--write-size", "1GiB"],
        &["--no-read", "--read-for", "3s"],
        &["--pid", "999999999"],
    ] {
        let output = echoctl(&[&["flood", &addr], wrong].concat()).output().unwrap();

        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {printed}");
        let option = wrong.iter().rfind(|word| word.starts_with("--")).unwrap();
        assert!(printed.contains(option), "{wrong:?}: {printed}");
        assert!(listener.accept().is_err(), "{wrong:?}: a connection was made");
    }
}

#[test]
fn a_run_is_written_as_record_and_as_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (record, page) = (file("run.json"), file("run.html"));
    let addr = server(echo);

    let output = echoctl(&["flood", &addr, "--bytes", "1MiB", "--record", &record, "--report", &page]);
    let status = { output }.output().unwrap().status;

    let run = Run::read(&std::fs::read(&record).unwrap()[..]).unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(run.target, addr);
    assert_eq!(run.samples.last().map(|last| last.consumed), run.summary().map(|summary| summary.verified()));
    assert!(std::fs::read_to_string(&page).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn an_unwritable_file_is_reported_before_the_run() {
    let addr = server(echo);

    let output =
        echoctl(&["flood", &addr, "--for", "60s", "--record", "/nowhere/run.json"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nowhere/run.json"));
}

#[test]
fn a_name_is_echoed_and_not_counted() {
    let addr = server(echo);

    let output = echoctl(&["flood", &addr, "--name", "ada", "--no-read", "--for", "300ms", "--json"])
        .output()
        .unwrap();

    let summary = summary(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(summary.consumed, 0, "its echo was read");
    let mut samples = events(&output.stdout).into_iter().filter(|event| event["event"] == "sample");
    assert!(
        samples.next_back().is_some_and(|last| last["consumed"] == 0 && last["produced"] == summary.produced)
    );
}

#[test]
fn a_server_that_does_not_echo_a_name_is_not_flooded() {
    let addr = server(|mut stream| {
        let _ = stream.write_all(b"220 welcome\r\n").and_then(|()| stream.read_exact(&mut [0; 9]));
    });

    let output = echoctl(&["flood", &addr, "--name", "ada", "--for", "1s"]).output().unwrap();

    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("did not echo the name") && printed.contains("hint: only an echo"), "{printed}");
}

#[test]
#[cfg(target_os = "linux")]
fn growth_that_another_flood_causes_is_not_charged_to_this_one() {
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"));
    serve.args(["serve", "--addr", "127.0.0.1:0", "--backpressure", "off", "--json"]).stdout(Stdio::piped());
    let mut serve = Running(serve.spawn().unwrap());
    let mut first = String::new();
    let mut reported = BufReader::new(serve.0.stdout.take().unwrap());
    reported.read_line(&mut first).unwrap();
    let listening: Value = serde_json::from_str(&first).unwrap();
    let addr = listening["addr"].as_str().unwrap();
    let mut heavy = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"));
    heavy.args(["flood", addr, "--no-read", "--for", "60s", "--rate", "40MiB", "--name", "bob", "--json"]);
    let mut heavy = Running(heavy.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut samples = BufReader::new(heavy.0.stdout.take().unwrap()).lines();
    let has_sent =
        |line: String| serde_json::from_str::<Value>(&line).unwrap()["produced"].as_u64() > Some(1 << 20);
    assert!(samples.any(|line| has_sent(line.unwrap())), "it sends nothing");

    let light = ["flood", addr, "--no-read", "--for", "3s", "--rate", "1MiB", "--name", "ada", "--json"];
    let output = echoctl(&light).output().unwrap();

    let summary = summary(&output.stdout);
    let reason = summary.reason.clone().unwrap_or_default();
    assert!(reason.contains("while other clients sent"), "{summary:?}");
    assert_eq!(summary.verdict, Some(Verdict::Inconclusive), "{summary:?}");
}
