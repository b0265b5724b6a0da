//! Promise: a URL or a Unix socket says how a server is reached and what it is asked.
#![cfg(target_os = "linux")]

use std::os::unix::net::UnixStream;
use std::process::Command;

use echoctl_testkit::{Running, eventually};
use serde_json::Value;

use crate::peer::{echoctl, text};
use crate::schema::{conforms, schema};

/// A server that answers any request with an endless stream, and waits for its client. It listens at $SOCKET, or else at $PORT.
const PUSHER: &str = "use IO::Socket::INET; use IO::Socket::UNIX; my $l = $ENV{SOCKET} \
    ? IO::Socket::UNIX->new(Local => $ENV{SOCKET}, Listen => 9) \
    : IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1); $l or die; \
    while (my $c = $l->accept) { next if fork; \
    sysread($c, my $request, 65536); my $event = 'x' x 4096; while (syswrite($c, $event)) {} exit }";

/// An echo server at $SOCKET, which reads again when all is written.
const ECHO: &str = "use IO::Socket::UNIX; my $l = IO::Socket::UNIX->new(Local => $ENV{SOCKET}, Listen => 9) or die; \
    while (my $c = $l->accept) { next if fork; while (my $count = sysread($c, my $bytes, 65536)) { \
    for (my $at = 0; $at < $count;) { $at += syswrite($c, $bytes, $count - $at, $at) // exit } } exit }";

/// The summary of an audit of the pusher.
fn audit(options: &[&str]) -> Value {
    let words = [&["audit", "--json"], options, &["--", "perl", "-e", PUSHER]].concat();
    let output = echoctl(&words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{} {}", text(&output.stderr), text(&output.stdout));
    let summary: Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
    assert_eq!(conforms(&summary, &schema("audit")), Ok(()));
    summary
}

#[test]
fn the_port_of_a_url_is_that_of_the_command() {
    let summary = audit(&["http://localhost:{port}/events?n=1#top"]);

    assert_eq!(summary["verdict"], "bounded");
    assert_eq!(summary["preset"], "http-get:/events?n=1");
    assert_eq!(summary["transport"], "tcp");
}

#[test]
fn a_command_gets_the_path_of_its_unix_socket() {
    let summary = audit(&["unix:", "--preset", "sse:/events"]);

    assert_eq!(summary["verdict"], "bounded");
    assert_eq!(summary["transport"], "unix");
    let path = summary["addr"].as_str().and_then(|addr| addr.strip_prefix("unix:")).unwrap();
    assert!(!std::fs::exists(path).unwrap(), "{path}");
}

#[test]
fn a_running_server_on_a_unix_socket_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    // A process of its own: the children of this one are those of other tests.
    let _server = Running::start(Command::new("perl").args(["-e", ECHO]).env("SOCKET", &path));
    eventually("it listens", || UnixStream::connect(&path).ok());

    let output =
        echoctl(&["audit", "--preset", "raw", &format!("unix:{}", path.display())]).output().unwrap();

    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed} {}", text(&output.stderr));
    assert!(printed.starts_with("BOUNDED") && printed.contains("over a Unix socket"), "{printed}");
}

#[test]
fn scripts_of_urls_are_read_back_and_match_the_schema() {
    let files = tempfile::tempdir().unwrap();
    for (index, options) in [
        &["https://h/a"][..],
        &["https://h/a", "--http2", "--header", "A: b", "--body", "c", "--streams", "3", "--stall", "window"],
        &["h2c://h/a", "--preset", "http2-post", "--stall", "window-stream"],
        &["grpcs://h/s.S/M", "--message", "x", "--repeat"],
        &["wss://h/a", "--preset", "websocket-text"],
        &["redis://h/k"],
        &["tls://h:1"],
        &["unix:/run/x", "--preset", "http2-get:/a"],
    ]
    .into_iter()
    .enumerate()
    {
        let shown = echoctl(&[&["audit", "--show-script"], options].concat()).output().unwrap();
        let path = files.path().join(format!("{index}.toml"));
        std::fs::write(&path, &shown.stdout).unwrap();

        // The address is that of the same transport.
        let addr = if options[0].starts_with("unix:") { "unix:/run/x" } else { "h:1" };
        let again =
            echoctl(&["audit", addr, "--script", path.to_str().unwrap(), "--show-script"]).output().unwrap();

        assert_eq!(text(&again.stdout), text(&shown.stdout), "{options:?}: {}", text(&again.stderr));
        let script: Value = toml::from_str(&text(&shown.stdout)).unwrap();
        assert_eq!(conforms(&script, &schema("script")), Ok(()), "{options:?}");
        assert!(script["transport"].is_string(), "{options:?}");
    }
}
