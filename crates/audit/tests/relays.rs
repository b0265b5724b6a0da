//! Promise: what a relay passes on is found in the memory of the server behind it, or the verdict does not rest on memory.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, AuditOutcome, Permitted, Preset};
use echoctl_record::Verdict;
use echoctl_trial::spawn::Target;
use support::command::{outsider, start, wait_until_listening};

/// Attacks a target with little input.
fn attack_a_little(target: &Target) -> AuditOutcome {
    let config = AuditConfig {
        budget: 64 << 20,
        pids: target.roots(),
        permitted: Permitted::Target(target.descendants()),
        is_fresh: true,
        ..AuditConfig::new(target.addr(), Preset::Raw.script("127.0.0.1"))
    };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

/// A free address, whose port the kernel chose a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn memory_of_a_server_behind_a_relay_counts() {
    let addr = free();
    let _upstream = outsider(&["collect", &addr.to_string()]);
    wait_until_listening(addr);
    let relay = start(&["relay", "{port}", &addr.to_string()]);

    let outcome = attack_a_little(&relay);

    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.is_relay && !outcome.evidence.hidden_upstream);
    assert!(outcome.upstreams.len() == 1 && outcome.upstreams[0].contains("pid "), "{:?}", outcome.upstreams);
}

#[test]
fn a_relay_with_a_bounded_server_behind_it_is_bounded() {
    let addr = free();
    let _upstream = outsider(&["echo", &addr.to_string()]);
    wait_until_listening(addr);
    let relay = start(&["relay", "{port}", &addr.to_string()]);

    let outcome = attack_a_little(&relay);

    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.is_relay && !outcome.evidence.hidden_upstream);
}

#[test]
fn a_server_without_connections_of_its_own_is_no_relay() {
    let outcome = attack_a_little(&start(&["echo", "{port}"]));

    assert!(!outcome.evidence.is_relay && outcome.upstreams.is_empty());
}
