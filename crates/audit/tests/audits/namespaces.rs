//! Promise: a server in another network namespace is judged like one in this one: by its memory and by what it reads and writes, for
//! an administrator by all counters, for its own user by queues, also behind a relay.
//!
//! The tests run in namespaces of their own, where nothing else has a network: one for the audit, and one for the server.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use echoctl_audit::{AuditConfig, AuditOutcome, Permitted, Preset};
use echoctl_record::{Point, Verdict};
use echoctl_testkit::{Caller, Elsewhere};
use echoctl_trial::spawn::{Launch, ListenAt, SpawnError, Target};

use crate::support::command::{SERVER, attack, launch, start};

fn server(test: &str, caller: Caller, role: &str) -> Option<Elsewhere> {
    let skip = |why: &str| eprintln!("skipped: {why}");
    Elsewhere::start(&format!("namespaces::{test}"), caller, &[SERVER, role, Elsewhere::LISTENING], skip)
}

fn attack_at(server: &Elsewhere, pids: Vec<u32>) -> AuditOutcome {
    let script = Preset::Raw.script("10.77.0.2");
    let config = AuditConfig { budget: 64 << 20, pids, ..AuditConfig::new(server.addr, script) };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

/// Whether the counters are those of the connection, in every sample: the server's end is visible, and all counters are ordered.
fn has_ledger(outcome: &AuditOutcome) -> bool {
    outcome.evidence.points.iter().all(|Point { sample, .. }| {
        let (Some(received), Some(read)) = (sample.server_received, sample.server_read) else { return false };
        let (Some(written), Some(arrived)) = (sample.server_written, sample.client_received) else {
            return false;
        };
        read <= received && received <= sample.produced && sample.consumed <= arrived && arrived <= written
    })
}

/// Whether a sample shows how full the server's send queue is, which queue lengths without limits do not.
fn shows_limits(outcome: &AuditOutcome) -> bool {
    outcome.evidence.points.iter().any(|point| point.output_is_full.is_some())
}

#[test]
fn root_sees_what_an_unbounded_server_elsewhere_reads() {
    let test = "root_sees_what_an_unbounded_server_elsewhere_reads";
    let Some(server) = server(test, Caller::Administrator, "collect") else { return };

    let outcome = attack_at(&server, vec![server.pid]);

    assert!(outcome.sees_memory && has_ledger(&outcome), "{:?}", outcome.evidence.points.last());
    assert!(shows_limits(&outcome));
    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.points.last().unwrap().sample.server_read.unwrap() >= 32 << 20);
}

#[test]
fn its_user_sees_what_an_unbounded_server_elsewhere_reads() {
    let test = "its_user_sees_what_an_unbounded_server_elsewhere_reads";
    let Some(server) = server(test, Caller::ServersUser, "collect") else { return };

    let outcome = attack_at(&server, vec![server.pid]);

    assert!(outcome.sees_memory && has_ledger(&outcome), "{:?}", outcome.evidence.points.last());
    assert!(!shows_limits(&outcome), "without a capability only queues are visible");
    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
    assert!(outcome.evidence.points.last().unwrap().sample.server_read.unwrap() >= 32 << 20);
}

#[test]
fn root_sees_that_an_echo_elsewhere_stops_reading() {
    let test = "root_sees_that_an_echo_elsewhere_stops_reading";
    let Some(server) = server(test, Caller::Administrator, "echo") else { return };

    let outcome = attack_at(&server, vec![server.pid]);

    assert!(outcome.sees_memory && has_ledger(&outcome), "{:?}", outcome.evidence.points.last());
    assert!(shows_limits(&outcome));
    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
}

#[test]
fn its_user_sees_that_an_echo_elsewhere_stops_reading() {
    let test = "its_user_sees_that_an_echo_elsewhere_stops_reading";
    let Some(server) = server(test, Caller::ServersUser, "echo") else { return };

    let outcome = attack_at(&server, vec![server.pid]);

    assert!(outcome.sees_memory && has_ledger(&outcome), "{:?}", outcome.evidence.points.last());
    assert!(!shows_limits(&outcome), "without a capability only queues are visible");
    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
}

#[test]
fn a_server_elsewhere_whose_process_is_unknown_is_inconclusive() {
    let test = "a_server_elsewhere_whose_process_is_unknown_is_inconclusive";
    let Some(server) = server(test, Caller::Administrator, "collect") else { return };

    let outcome = attack_at(&server, Vec::new());

    assert!(!outcome.sees_memory);
    assert_eq!(outcome.judgement.verdict, Verdict::Inconclusive, "{}", outcome.judgement.reason);
}

fn attack_through_a_relay(server: &Elsewhere) -> AuditOutcome {
    let relay = start(&["relay", "{port}", &server.addr.to_string()]);
    let config = AuditConfig {
        budget: 64 << 20,
        pids: relay.roots(),
        permitted: Permitted::Target(relay.descendants()),
        ..AuditConfig::new(relay.addr().tcp().unwrap(), Preset::Raw.script("127.0.0.1"))
    };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

#[test]
fn root_sees_a_server_elsewhere_behind_a_relay() {
    let test = "root_sees_a_server_elsewhere_behind_a_relay";
    let Some(server) = server(test, Caller::Administrator, "collect") else { return };

    let outcome = attack_through_a_relay(&server);

    assert!(outcome.evidence.is_relay, "{outcome:?}");
    assert!(outcome.upstreams.iter().any(|name| name.contains(&server.pid.to_string())), "{outcome:?}");
    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
}

#[test]
fn its_user_sees_a_server_elsewhere_behind_a_relay() {
    let test = "its_user_sees_a_server_elsewhere_behind_a_relay";
    let Some(server) = server(test, Caller::ServersUser, "collect") else { return };

    let outcome = attack_through_a_relay(&server);

    assert!(outcome.evidence.is_relay, "{outcome:?}");
    assert!(outcome.upstreams.iter().any(|name| name.contains(&server.pid.to_string())), "{outcome:?}");
    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
}

/// A command that starts a server in the namespace of another process.
fn entering<'a>(pid: &'a str, server: &[&'a str]) -> Launch {
    launch(&[&["nsenter", "--net", "--target", pid, SERVER], server].concat())
}

#[test]
fn a_command_may_start_its_server_elsewhere() {
    let test = "a_command_may_start_its_server_elsewhere";
    let Some(server) = server(test, Caller::Administrator, "collect") else { return };
    let addr = SocketAddr::new(server.addr.ip(), 7108);
    let pid = server.pid.to_string();
    let command = entering(&pid, &["serial", "0.0.0.0:7108"]);
    let command = Launch { at: ListenAt::Given(addr.into()), ..command };
    let target = Target::start(&command, &AtomicBool::new(false)).unwrap();

    let outcome = attack(&target).unwrap();

    assert!(outcome.sees_memory && has_ledger(&outcome) && shows_limits(&outcome));
    assert_eq!(outcome.server.as_deref(), Some("audit-test-serv"));
}

#[test]
fn a_server_elsewhere_that_is_not_reached_is_an_error() {
    let test = "a_server_elsewhere_that_is_not_reached_is_an_error";
    let Some(server) = server(test, Caller::Administrator, "collect") else { return };
    let pid = server.pid.to_string();
    let command = entering(&pid, &["serial", "0.0.0.0:{port}"]);
    let command = Launch { ready_timeout: Duration::from_secs(1), ..command };

    let refused = Target::start(&command, &AtomicBool::new(false));

    let Err(SpawnError::OtherNamespace { addr, at, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(addr.tcp().unwrap().port(), at.port());
}
