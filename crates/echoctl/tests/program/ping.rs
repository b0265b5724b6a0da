//! Promise: `echoctl ping` times every frame that it sends, prints a table or JSON that conforms to its schema, and its exit
//! code tells whether the times can be trusted.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use echoctl_testkit::echo;
use serde_json::Value;

use crate::peer::{closed_addr, echoctl, server, text};

/// Whether `value` has exactly the fields and types of `schema`.
fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    let (fields, properties) = (value.as_object().ok_or("no object")?, &schema["properties"]);
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        fields.get(name).ok_or(format!("{name} is missing"))?;
    }
    for (name, field) in fields {
        let fits = match properties[name]["type"].as_str().ok_or(format!("{name} is not in the schema"))? {
            "integer" => field.is_u64(),
            "number" => field.is_number(),
            "string" => field.is_string(),
            "array" => field.is_array(),
            other => return Err(format!("unknown type {other}")),
        };
        if !fits {
            return Err(format!("{name} is {field}"));
        }
    }
    Ok(())
}

fn summary(stdout: &[u8]) -> Value {
    let lines: Vec<Value> =
        text(stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.last().cloned().expect("a summary")
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../schema/ping.json")).expect("the schema is JSON")
}

#[test]
fn every_frame_is_timed_and_the_json_conforms() {
    let output =
        echoctl(&["ping", &server(echo), "--count", "60", "--connections", "3", "--json"]).output().unwrap();

    let summary = summary(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(conforms(&summary, &schema()), Ok(()));
    assert_eq!((&summary["event"], &summary["count"]), (&"summary".into(), &60.into()));
    let times: Vec<f64> = ["min", "p50", "p90", "p99", "p999", "max"]
        .iter()
        .map(|name| summary[name].as_f64().unwrap())
        .collect();
    assert!(times.is_sorted() && times[0] > 0.0, "{times:?}");
}

#[test]
fn replies_are_correct_with_every_framing() {
    for framing in ["lines", "u16", "u32", "raw"] {
        echoctl(&["ping", &server(echo), "--count", "20", "--framing", framing, "--size", "500"])
            .assert()
            .success();
    }
}

#[test]
fn the_default_output_is_a_table() {
    let output = echoctl(&["ping", &server(echo), "--count", "20", "--rate", "1000"]).output().unwrap();

    let table = text(&output.stdout);
    for word in ["20 frames of 64 bytes", "1000 per second planned", "p50", "p99.9", "max"] {
        assert!(table.contains(word), "'{word}' is missing:\n{table}");
    }
}

#[test]
fn a_wrong_reply_is_exit_code_1_with_a_summary() {
    let addr = server(|mut stream: TcpStream| {
        let _ = stream.write_all(&[b'?'; 64]);
        echo(stream);
    });

    let output = echoctl(&["ping", &addr, "--count", "20", "--json"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the reply differs"), "{}", text(&output.stderr));
    assert_eq!(summary(&output.stdout)["count"], 0);
    assert_eq!(conforms(&summary(&output.stdout), &schema()), Ok(()));
}

#[test]
fn a_server_that_does_not_keep_up_is_exit_code_3() {
    // 50 ms per frame allow 20 per second, and 1,000 are planned.
    let addr = server(|mut stream: TcpStream| {
        let mut frame = [0; 64];
        while stream.read_exact(&mut frame).is_ok() {
            thread::sleep(Duration::from_millis(50));
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
    });

    let output = echoctl(&["ping", &addr, "--rate", "1000", "--for", "300ms", "--json"]).output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(summary(&output.stdout)["unsent"].as_u64() > Some(100), "{}", text(&output.stdout));
}

#[test]
fn invalid_options_are_exit_code_2_and_send_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();

    for arguments in [&["--size", "1"][..], &["--rate", "0"], &["--count", "0"], &["--for", "0"]] {
        echoctl(&[&["ping", &addr], arguments].concat()).assert().code(2);
    }
    echoctl(&["ping", "192.0.2.1:7"]).assert().code(2);

    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
}

#[test]
fn a_closed_port_is_exit_code_4() {
    let (_held, addr) = closed_addr();

    let output = echoctl(&["ping", &addr]).output().unwrap();

    assert_eq!(output.status.code(), Some(4));
    let way_out = format!("echoctl serve --addr {addr}");
    assert!(text(&output.stderr).contains(&way_out), "{}", text(&output.stderr));
}

#[test]
fn a_silent_server_leads_to_a_hint_about_framing() {
    let addr = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });

    let output = echoctl(&["ping", &addr, "--count=1", "--timeout=50ms"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("\nhint: does the server echo"), "{}", text(&output.stderr));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_a_summary_and_exit_code_130() {
    use std::process::{Command, Stdio};
    use std::sync::mpsc;

    use crate::peer::wait_until_it_catches_interrupts;
    use echoctl_testkit::signal;

    let (came, connection) = mpsc::channel();
    let addr = server(move |stream| {
        came.send(()).expect("the test waits for it");
        echo(stream);
    });
    let child = Command::new(env!("CARGO_BIN_EXE_echoctl"))
        .args(["ping", &addr, "--for", "1h", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    connection.recv().unwrap();

    // Until the handler is installed, the signal kills the process.
    wait_until_it_catches_interrupts(child.id());
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(130));
    assert_eq!(conforms(&summary(&output.stdout), &schema()), Ok(()));
}
