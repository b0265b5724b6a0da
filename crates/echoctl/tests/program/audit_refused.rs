//! Promise: a server that does not understand an audit is not called safe; its answer and the command that fits are printed.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};

use serde_json::Value;

use crate::peer::{echoctl, server, text};
use crate::schema::{conforms, schema};

/// The address of a server that answers whatever it is sent like an HTTP server, and closes the connection.
fn http_server() -> String {
    server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    })
}

#[test]
fn the_summary_names_the_protocol_and_the_command_for_it() {
    let addr = http_server();

    let output = echoctl(&["audit", "--json", "--preset", "raw", "--project", "7", &addr]).output().unwrap();

    let printed = text(&output.stdout);
    let summary: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(conforms(&summary, &schema("audit")), Ok(()));
    assert_eq!(
        (summary["verdict"].as_str(), output.status.code()),
        (Some("inconclusive"), Some(3)),
        "{summary}"
    );
    assert_eq!(summary["first_line"], "HTTP/1.1 400 Bad Request");
    assert_eq!(summary["protocol"], "HTTP");
    let next = summary["try_next"].as_str().unwrap();
    // All else that was given is kept.
    assert!(next.ends_with(&format!("audit --preset http-get:/ --json --project 7 {addr}")), "{next}");
}

#[test]
fn the_command_can_be_pasted_and_nothing_else_is_claimed() {
    let addr = http_server();

    let output = echoctl(&["audit", &addr]).output().unwrap();

    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{printed}");
    assert!(printed.starts_with("INCONCLUSIVE") && printed.contains("HTTP/1.1 400 Bad Request"), "{printed}");
    let command = format!("audit --preset http-get:/ {addr}");
    assert!(printed.lines().any(|line| line.ends_with(&command)), "{printed}");
    assert!(!printed.contains("accepted by") && !printed.contains("memory"), "{printed}");
}

#[test]
fn a_server_of_tls_suggests_its_url() {
    let addr = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x46");
    });

    let (plain, url) = (format!("http://{addr}/a"), format!("https://{addr}/a"));
    for (given, command) in [
        (&["audit", &addr][..], format!("audit https://{addr}/")),
        (&["audit", "--header", "A: b", &plain], format!("audit --header 'A: b' {url}")),
    ] {
        let output = echoctl(given).output().unwrap();

        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{printed}");
        assert!(printed.lines().any(|line| line.ends_with(&command)), "{printed}");
    }
}

#[test]
fn a_failed_step_suggests_the_same_command() {
    let addr = http_server();

    let output = echoctl(&["audit", "--preset", "redis-get:k", &addr]).output().unwrap();

    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("HTTP/1.1 400 Bad Request"), "{error}");
    let command = format!("audit --preset http-get:/ {addr}");
    assert!(error.lines().any(|line| line.starts_with("hint: ") && line.ends_with(&command)), "{error}");
}
