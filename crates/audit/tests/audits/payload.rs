//! Promise: the payload in the server's memory is counted at the end of the stall, and a slow reader that was disconnected is compared with
//! a client that reads.
#![cfg(target_os = "linux")]

use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, AuditOutcome, Payload, Preset, Script, Stimulus};
use echoctl_record::{Census, Marked};

use crate::support::command::{attack, config, start};

fn attack_with(role: &[&str], script: Script) -> AuditOutcome {
    let target = start(role);
    let config = AuditConfig { script, budget: 64 << 20, ..config(&target) };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn raw() -> Script {
    Preset::Raw.script("127.0.0.1")
}

/// The census, which was not refused.
#[track_caller]
fn census(outcome: &AuditOutcome) -> Census {
    assert!(!outcome.is_census_refused, "the server was started for this test");
    outcome.evidence.census.expect("there were marks to count")
}

#[test]
fn what_a_server_buffers_is_in_its_memory() {
    let outcome = attack_with(&["collect", "{port}"], raw());

    let census = census(&outcome);
    let read = outcome.evidence.points.last().unwrap().server_read();
    assert_eq!(census.marked, Marked::Input);
    assert!(census.bytes > read / 2, "{census:?} of {read}");
}

#[test]
fn what_a_server_passes_on_is_not_in_its_memory() {
    let census = census(&attack_with(&["echo", "{port}"], raw()));

    assert!(census.bytes < 4 << 20, "{census:?}");
}

#[test]
fn a_piece_of_a_reply_marks_those_that_are_buffered() {
    let request = Stimulus::once("request", Payload::text("GET /\r\n\r\n"));
    let outcome = attack_with(&["library", "{port}"], Script::new(request));

    let census = census(&outcome);
    assert_eq!(census.marked, Marked::Output);
    assert!(census.added() > 32 << 20, "{census:?}");
}

#[test]
fn a_disconnected_client_is_compared_with_one_that_reads() {
    let outcome = attack(&start(&["strict", "{port}"])).unwrap();

    assert!(outcome.evidence.disconnect.is_some());
    let control = outcome.evidence.control.expect("the server can be reached");
    assert!(control.disconnected_at.is_none() && control.received > 0, "{control:?}");
}

#[test]
fn a_slow_reader_that_stays_connected_is_not_compared() {
    assert_eq!(attack_with(&["echo", "{port}"], raw()).evidence.control, None);
}
