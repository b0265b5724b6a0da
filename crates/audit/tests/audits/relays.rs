//! Promise: what a relay passes on is found in the memory of the server behind it, or the verdict does not rest on memory.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, AuditOutcome};
use echoctl_record::{Class, Verdict};
use echoctl_testkit::eventually;
use echoctl_trial::spawn::Target;

use crate::support::command::{config, outsider, start};

/// Attacks a target with little input.
fn attack_a_little(target: &Target) -> AuditOutcome {
    let config = AuditConfig { budget: 64 << 20, ..config(target) };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

/// Starts a server, and a relay in front of it.
fn start_behind_a_relay(role: &str) -> (Target, Target) {
    let upstream = start(&[role, "{port}"]);
    let relay = start(&["relay", "{port}", &upstream.addr().to_string()]);
    (upstream, relay)
}

#[test]
fn memory_of_a_server_behind_a_relay_counts() {
    let (upstream, relay) = start_behind_a_relay("collect");

    let outcome = attack_a_little(&relay);

    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.is_relay && !outcome.evidence.hidden_upstream);
    assert!(outcome.upstreams.len() == 1 && outcome.upstreams[0].contains("pid "), "{:?}", outcome.upstreams);
    let grown = outcome.evidence.grown_process.unwrap();
    assert!(upstream.roots().contains(&grown.pid) && grown.processes > 1, "{grown:?}");
}

#[test]
fn memory_of_a_server_behind_a_unix_socket_counts() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let path = socket.to_str().unwrap();
    let _upstream = outsider(&["collect-unix", path]);
    eventually("it listens", || socket.exists());
    let relay = start(&["relay-unix", "{port}", path]);

    let outcome = attack_a_little(&relay);

    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.is_relay && !outcome.evidence.hidden_upstream);
    assert_eq!(outcome.upstreams.len(), 1, "{:?}", outcome.upstreams);
}

#[test]
fn payload_is_found_where_no_connection_leads() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let path = pipe.to_str().unwrap();
    let _collector = outsider(&["collect-file", path]);
    let relay = start(&["relay-file", "{port}", path]);

    let outcome = attack_a_little(&relay);

    assert_ne!(outcome.judgement.verdict.class(), Class::Safe, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.is_relay && outcome.evidence.hidden_upstream);
    assert_eq!(outcome.upstreams.len(), 1, "{:?}", outcome.upstreams);
}

#[test]
fn a_relay_with_a_bounded_server_behind_it_is_bounded() {
    let (_upstream, relay) = start_behind_a_relay("echo");

    let outcome = attack_a_little(&relay);

    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.is_relay && !outcome.evidence.hidden_upstream);
}

#[test]
fn a_server_without_connections_of_its_own_is_no_relay() {
    let outcome = attack_a_little(&start(&["echo", "{port}"]));

    assert!(!outcome.evidence.is_relay && outcome.upstreams.is_empty());
}
