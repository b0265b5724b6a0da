//! Promise: every address of a name is tried, and the addresses that were checked are those connected to.

use std::net::TcpListener;
use std::thread;

use echoctl_testkit::echo;

use crate::peer::{closed_addr, echoctl, text};

/// An echo server only on `[::1]`; `None` if this host has no IPv6.
fn server_on_v6() -> Option<u16> {
    let listener = TcpListener::bind("[::1]:0").ok()?;
    let port = listener.local_addr().unwrap().port();
    // Another server on 127.0.0.1 at the same port would be found first.
    TcpListener::bind(("127.0.0.1", port)).ok()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || echo(stream));
        }
    });
    Some(port)
}

#[test]
fn a_port_is_found_at_either_loopback_address() {
    let Some(port) = server_on_v6() else { return };
    for target in [format!("{port}"), format!(":{port}"), format!("[::]:{port}"), format!("localhost:{port}")]
    {
        for arguments in [
            &["ping", &target, "--count", "3", "--json"][..],
            &["flood", &target, "--bytes", "1MiB", "--json"],
            &["send", &target],
            &["watch", &target, "--for", "50ms", "--json"],
        ] {
            let output = echoctl(arguments).write_stdin("hello\n").output().unwrap();

            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        }
    }
}

#[test]
fn an_error_names_every_address_that_was_tried() {
    let (_socket, addr) = closed_addr();
    let port = addr.rsplit_once(':').unwrap().1;
    for arguments in [&["ping", port][..], &["flood", port], &["send", port], &["audit", port]] {
        let output = echoctl(arguments).output().unwrap();

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {error}");
        assert!(error.contains(&format!("cannot connect to port {port}: ")), "{arguments:?}: {error}");
        assert!(error.contains("127.0.0.1") && error.contains("[::1]"), "{arguments:?}: {error}");
    }
}

#[test]
fn other_spellings_of_remote_addresses_are_refused() {
    for target in ["[::ffff:192.0.2.1]:7", "[64:ff9b::c000:201]:7", "[::127.0.0.1]:7", "3221225985:7"] {
        let output = echoctl(&["flood", target, "--for", "1s"]).output().unwrap();

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{target}: {error}");
        assert!(error.contains("--allow-remote"), "{target}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn connections_beyond_the_descriptor_limit_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let script =
        format!("ulimit -n 100; exec {} flood {addr} --connections 5000", env!("CARGO_BIN_EXE_echoctl"));

    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();

    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("--connections 5000: needs 5064 file descriptors, the limit is 100"), "{error}");
    assert!(listener.accept().is_err(), "a connection was made");
}
