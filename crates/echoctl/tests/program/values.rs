//! Promise: a value beyond its bound is refused before anything is sent, and the error names the bound.

use std::net::TcpListener;

use crate::peer::{echoctl, text};

/// Runs `command` with the address of a listener and `options`. Expects exit 2, no connection, and the option and its `bound`
/// on stderr.
fn assert_refused(command: &str, options: &[&str], option: &str, bound: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap().to_string();

    let output = echoctl(&[&[command, &addr], options].concat()).output().unwrap();

    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{command} {options:?}: {error}");
    assert!(error.contains(bound) && error.contains(option), "{command} {options:?}: {error}");
    assert!(listener.accept().is_err(), "{command} {options:?}: a connection was made");
}

#[test]
fn sizes_and_rates_beyond_the_bound_name_it() {
    for option in ["--size", "--write-size", "--rate", "--bytes", "--read-rate", "--sndbuf", "--rcvbuf"] {
        for value in ["99999999999GiB", "18446744073709551616", "8EiB", "1e30"] {
            assert_refused("flood", &[option, value], option, "at most 9223372036854775807 bytes");
        }
    }
    assert_refused(
        "flood",
        &["--memory-limit", "16EiB"],
        "--memory-limit",
        "at most 9223372036854775807 bytes",
    );
    assert_refused("send", &["--max-frame", "16EiB"], "--max-frame", "at most 9223372036854775807 bytes");
    assert_refused("ping", &["--size", "16EiB"], "--size", "at most 9223372036854775807 bytes");
}

#[test]
fn times_beyond_the_bound_name_it() {
    for (command, option) in [
        ("flood", "--for"),
        ("flood", "--read-for"),
        ("ping", "--for"),
        ("ping", "--timeout"),
        ("watch", "--for"),
        ("watch", "--every"),
    ] {
        for value in ["18446744073709551615s", "366d", "1e30"] {
            assert_refused(command, &[option, value], option, "at most 365d");
        }
    }
}

#[test]
fn numbers_beyond_the_bound_name_it() {
    let over = ["0", "-1", "18446744073709551615", "99999999999999999999"];
    for (command, option, most) in [
        ("flood", "--connections", 65_535),
        ("flood", "--pid", 2_147_483_647),
        ("ping", "--connections", 1000),
        ("ping", "--qps", 1_000_000),
        ("ping", "--count", i64::MAX),
        ("watch", "--pid", 2_147_483_647),
    ] {
        for value in over {
            let given = format!("{option}={value}");
            assert_refused(command, &[&given], option, &format!("from 1 to {most}"));
        }
    }
    assert_refused("watch", &["--top=4294967295"], "--top", "from 0 to 100000");
}
