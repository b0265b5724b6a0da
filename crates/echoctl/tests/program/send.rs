//! Promise: `echoctl send` sends each line as a frame, prints every reply, and exits when both sides are closed.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use echoctl_testkit::echo;
#[cfg(target_os = "linux")]
use echoctl_testkit::{eventually, sleeps};

use crate::peer::{closed_addr, echoctl, server, text};

#[test]
fn lines_come_back_with_every_framing() {
    for framing in ["lines", "u16", "u32"] {
        let output = echoctl(&["send", &server(echo), "--framing", framing])
            .write_stdin("one\n\nthree\n")
            .output()
            .unwrap();

        assert_eq!(text(&output.stdout), "one\n\nthree\n", "{framing}");
        assert_eq!(output.status.code(), Some(0), "{framing}: {}", text(&output.stderr));
    }
}

#[test]
fn a_last_line_without_newline_is_a_frame() {
    for (framing, expected) in [
        ("lines", &b"ab\nc\n"[..]),
        ("u16", b"\0\x02ab\0\x01c"),
        ("u32", b"\0\0\0\x02ab\0\0\0\x01c"),
        ("raw", b"ab\nc"),
    ] {
        let (received, wire) = mpsc::channel();
        let addr = server(move |mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).expect("the client ends its half");
            received.send(all).expect("the test waits for it");
        });

        // The server replies nothing, which is an error except with raw, where there are no frames to count.
        let code = i32::from(framing != "raw");
        echoctl(&["send", &addr, "--framing", framing]).write_stdin("ab\nc").assert().code(code);

        assert_eq!(wire.recv().unwrap(), expected, "{framing}");
    }
}

#[test]
fn replies_after_the_end_of_the_input_are_printed() {
    let addr = server(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the client ends its half");
        stream.write_all(&all).expect("and reads on");
    });

    echoctl(&["send", &addr]).write_stdin("late\n").assert().success().stdout("late\n");
}

#[test]
fn input_larger_than_all_queues_does_not_deadlock() {
    // The echo server reads only after its reply is written, so replies must be read during writes.
    let input = "x".repeat(99) + "\n";
    let input = input.repeat(300_000);

    for framing in ["lines", "u32"] {
        let output = echoctl(&["send", &server(echo), "--framing", framing])
            .write_stdin(input.clone())
            .output()
            .unwrap();

        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            output.stdout == input.as_bytes(),
            "{framing}: {} of {} bytes",
            output.stdout.len(),
            input.len()
        );
    }
}

#[test]
fn a_connection_closed_early_is_an_error() {
    let addr = server(drop);
    let mut child = Command::new(env!("CARGO_BIN_EXE_echoctl"))
        .args(["send", &addr])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    // Open, so that the input has not ended when the server closes the connection.
    let stdin = child.stdin.take();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(complaint.contains("closed the connection before everything was sent"), "{complaint}");
    drop(stdin);
}

#[test]
fn missing_replies_are_counted_with_exit_code_1() {
    for (answer, said) in
        [(&b""[..], "0 of 3 frames came back\nhint: does the server echo"), (b"one\n", "1 of 3 frames")]
    {
        let addr = server(move |mut stream| {
            stream.read_to_end(&mut Vec::new()).expect("the client ends its half");
            stream.write_all(answer).expect("and reads on");
        });

        let output = echoctl(&["send", &addr]).write_stdin("one\ntwo\nthree").output().unwrap();

        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

#[test]
fn a_refused_long_line_leads_to_a_hint_about_limits() {
    // The server reads the size of one frame and no more, so the rest makes the kernel reset the connection.
    let addr = server(|mut stream| stream.read_exact(&mut vec![0; (1 << 20) + 1]).expect("a line comes"));

    let output = echoctl(&["send", &addr]).write_stdin("x".repeat(2 << 20)).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--max-frame"), "{}", text(&output.stderr));
}

#[test]
fn an_incomplete_reply_is_an_error() {
    for (framing, cut) in [("lines", &b"half"[..]), ("u16", b"\0\x09half")] {
        let addr = server(move |mut stream| {
            stream.read_to_end(&mut Vec::new()).expect("the client ends its half");
            stream.write_all(cut).expect("and reads on");
        });

        let output = echoctl(&["send", &addr, "--framing", framing]).write_stdin("x\n").output().unwrap();

        assert_eq!(output.status.code(), Some(1), "{framing}");
        assert!(
            text(&output.stderr).contains("closed the connection in the middle of a"),
            "{framing}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_line_too_long_for_a_frame_is_named() {
    let output = echoctl(&["send", &server(echo), "--framing", "u16", "--max-frame", "4"])
        .write_stdin("good\ntoo long\n")
        .output()
        .unwrap();

    assert_eq!(text(&output.stdout), "good\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 2"), "{}", text(&output.stderr));
}

#[test]
fn a_closed_port_is_exit_code_4_with_its_address() {
    let (_held, addr) = closed_addr();

    let output = echoctl(&["send", &addr]).write_stdin("x\n").output().unwrap();

    assert_eq!(output.status.code(), Some(4));
    let way_out = format!("echoctl serve --addr {addr}");
    assert!(text(&output.stderr).contains(&way_out), "{}", text(&output.stderr));
}

#[test]
fn a_server_that_never_closes_is_timed_out() {
    // The server replies everything or nothing, and leaves the connection open after the end of the input.
    let stays = |mut stream: std::net::TcpStream| {
        echo(stream.try_clone().expect("a second handle"));
        let _ = stream.read(&mut [0]);
        loop {
            std::thread::park();
        }
    };
    let is_mute = |mut stream: std::net::TcpStream| loop {
        match stream.read(&mut [0; 4096]) {
            Ok(1..) => {}
            _ => std::thread::park(),
        }
    };

    let answered =
        echoctl(&["send", &server(stays), "--timeout", "200ms"]).write_stdin("one\n").output().unwrap();
    let mute =
        echoctl(&["send", &server(is_mute), "--timeout", "200ms"]).write_stdin("one\n").output().unwrap();

    assert_eq!((answered.status.code(), text(&answered.stdout)), (Some(0), "one\n".to_owned()));
    assert!(text(&answered.stderr).contains("did not close the connection"), "{}", text(&answered.stderr));
    assert_eq!(mute.status.code(), Some(1));
    assert!(text(&mute.stderr).contains("0 of 1 frames came back"), "{}", text(&mute.stderr));
}

#[test]
fn a_server_that_reads_nothing_is_timed_out() {
    let addr = server(|stream| {
        let _open = stream;
        loop {
            std::thread::park();
        }
    });
    // More than all queues can buffer.
    let input = vec![b'x'; 64 << 20];

    let output = echoctl(&["send", &addr, "--framing", "raw", "--timeout", "500ms"])
        .write_stdin(input)
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("no byte moved in either direction") && error.ends_with(" sent\n"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn slow_input_does_not_count_as_silence() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command.args(["send", &server(echo), "--timeout", "1ms"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut reply = [0; 4];
    for line in [b"one\n", b"two\n"] {
        wait_for_sleeps(child.id(), 20);
        stdin.write_all(line).unwrap();
        stdout.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, line);
    }
    drop(stdin);

    assert!(child.wait().unwrap().success());
}

/// Waits until the first thread of a process, which reads replies, has gone to sleep `count` more times, each time for a
/// timeout.
#[cfg(target_os = "linux")]
fn wait_for_sleeps(pid: u32, count: u64) {
    let before = sleeps(pid);
    eventually("it waits for the server", || sleeps(pid) >= before + count);
}
