//! Promise: a flood by a client that reads little or nothing names what our server does by policy.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;

use echoctl_record::{Summary, Verdict};
use echoctl_testkit::Running;
use serde_json::Value;

use crate::peer::text;
use crate::running::command;

/// Floods `serve` with this option, and returns the summary and the exit code.
fn flooded(option: &str, reads: &[&str]) -> (Summary, Option<i32>) {
    let mut serve = command(&["serve", "--addr", "127.0.0.1:0", "--json", option]);
    let mut serve = Running::start(serve.stdout(Stdio::piped()).stderr(Stdio::null()));
    // It serves for as long as its events are read.
    let mut events = BufReader::new(serve.0.stdout.take().unwrap()).lines();
    let listening: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
    let addr = listening["addr"].as_str().unwrap();
    let output = command(&[&["flood", addr, "--rate", "16MiB", "--json"], reads].concat()).output().unwrap();
    let printed = text(&output.stdout);
    (serde_json::from_str(printed.lines().last().unwrap()).unwrap(), output.status.code())
}

/// Floods all of these at the same time, and compares each verdict and exit code.
fn assert_verdicts(expected: &[(&str, &[&str], Verdict, i32)]) {
    thread::scope(|scope| {
        for (option, reads, verdict, code) in expected {
            scope.spawn(move || {
                let (summary, exit) = flooded(option, reads);

                assert_eq!(summary.verdict, Some(*verdict), "{option} {reads:?}: {summary:?}");
                assert_eq!(exit, Some(*code), "{option} {reads:?}");
            });
        }
    });
}

#[test]
fn each_policy_has_its_verdict_if_nothing_is_read() {
    let nothing: &[&str] = &["--no-read", "--for", "10s"];
    assert_verdicts(&[
        ("--backpressure=await", nothing, Verdict::Bounded, 0),
        ("--backpressure=off", nothing, Verdict::Unbounded, 0),
        ("--backpressure=bounded", nothing, Verdict::Bounded, 0),
        ("--backpressure=watermark", nothing, Verdict::Bounded, 0),
        ("--backpressure=drop", nothing, Verdict::Discards, 0),
        ("--backpressure=disconnect", nothing, Verdict::Disconnects, 1),
        ("--backpressure=budget", nothing, Verdict::Bounded, 0),
        ("--io=threads", nothing, Verdict::Bounded, 0),
        ("--io=one-thread", nothing, Verdict::Bounded, 0),
    ]);
}

#[test]
fn dropped_replies_are_named_however_little_is_read() {
    assert_verdicts(&[
        ("--backpressure=drop", &["--read-rate=64KiB", "--for", "6s"], Verdict::Discards, 0),
        ("--backpressure=drop", &["--read-for=1s", "--for", "6s"], Verdict::Discards, 0),
        // To a client that reads to the end, frames that do not come back are an error.
        ("--backpressure=drop", &["--no-read", "--then-read", "--for", "6s"], Verdict::Discards, 1),
    ]);
}
