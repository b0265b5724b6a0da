//! Promise: a server in another network namespace, whose sockets are not visible, is judged by its memory and by what is drained.
//!
//! Behind a relay it is at least known to be there. The tests run in namespaces of their own, where nothing else has a network:
//! one for the audit, and one for the server.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::env;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, AuditOutcome, Permitted, Preset};
use echoctl_record::Verdict;
use echoctl_testkit::{Running, eventually};
use support::command::{SERVER, start};

/// Runs a test of this file again in a network namespace that has only loopback. Returns whether this process is there already.
fn is_alone(test: &str) -> bool {
    if env::var_os(ALONE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return true;
    }
    let unshare = ["--user", "--map-root-user", "--net"];
    let link = ["ip", "link", "add", "near", "type", "veth", "peer", "name", "far"];
    let is_permitted = Command::new("unshare").args(unshare).args(link).output();
    if !is_permitted.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: this user may not make a network namespace with a link, or there is no unshare(1) and ip(8)"
        );
        return false;
    }
    let mut again = Command::new("unshare");
    again.args(unshare).arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    assert!(again.env(ALONE, "").status().unwrap().success(), "{test} failed in its namespace");
    false
}

/// Set in the process that has a namespace of its own.
const ALONE: &str = "ECHOCTL_TEST_ALONE";

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Starts a server in another namespace, connected to this one. Returns its address as well.
fn start_elsewhere(role: &str) -> (Running, SocketAddr) {
    let addr: SocketAddr = "10.77.0.2:7107".parse().unwrap();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let mut command = Command::new("unshare");
    let server = Running::start(command.args(["--net", SERVER, role, "0.0.0.0:7107"]).stdin(Stdio::null()));
    let pid = server.pid().to_string();
    // unshare(1) makes the namespace and then becomes the server.
    let namespace = || std::fs::read_link(format!("/proc/{pid}/ns/net"));
    eventually("the server has its namespace", || namespace().is_ok_and(|namespace| namespace != own));
    let elsewhere = ["-t", &pid, "-n", "ip"];
    run("ip", &["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &pid]);
    run("ip", &["addr", "add", "10.77.0.1/30", "dev", "near"]);
    run("ip", &["link", "set", "near", "up"]);
    run("nsenter", &[&elsewhere[..], &["addr", "add", "10.77.0.2/30", "dev", "far"]].concat());
    run("nsenter", &[&elsewhere[..], &["link", "set", "far", "up"]].concat());
    eventually("the server listens", || std::net::TcpStream::connect(addr));
    (server, addr)
}

fn attack(addr: SocketAddr, pids: Vec<u32>, permitted: Permitted) -> AuditOutcome {
    let script = Preset::Raw.script("10.77.0.2");
    let config = AuditConfig { budget: 64 << 20, pids, permitted, ..AuditConfig::new(addr, script) };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn sees_the_servers_end(outcome: &AuditOutcome) -> bool {
    outcome.evidence.points.iter().any(|point| point.sample.server_read.is_some())
}

#[test]
fn an_unbounded_server_elsewhere_is_found_by_its_memory() {
    if !is_alone("an_unbounded_server_elsewhere_is_found_by_its_memory") {
        return;
    }
    let (server, addr) = start_elsewhere("collect");

    let outcome = attack(addr, vec![server.pid()], Permitted::Any);

    assert!(outcome.sees_memory && !sees_the_servers_end(&outcome));
    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
}

#[test]
fn a_bounded_server_elsewhere_is_bounded() {
    if !is_alone("a_bounded_server_elsewhere_is_bounded") {
        return;
    }
    let (server, addr) = start_elsewhere("echo");

    let outcome = attack(addr, vec![server.pid()], Permitted::Any);

    assert!(outcome.sees_memory && !sees_the_servers_end(&outcome));
    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
}

#[test]
fn a_server_elsewhere_without_visible_memory_is_inconclusive() {
    if !is_alone("a_server_elsewhere_without_visible_memory_is_inconclusive") {
        return;
    }
    let (_server, addr) = start_elsewhere("collect");

    let outcome = attack(addr, Vec::new(), Permitted::Any);

    assert!(!outcome.sees_memory);
    assert_eq!(outcome.judgement.verdict, Verdict::Inconclusive, "{}", outcome.judgement.reason);
}

#[test]
fn a_server_elsewhere_behind_a_relay_is_known_to_be_hidden() {
    if !is_alone("a_server_elsewhere_behind_a_relay_is_known_to_be_hidden") {
        return;
    }
    let (_server, addr) = start_elsewhere("collect");
    let relay = start(&["relay", "{port}", &addr.to_string()]);

    let outcome = attack(relay.addr().tcp().unwrap(), relay.roots(), Permitted::Target(relay.descendants()));

    // No connection leads to it from here. It may be named all the same: its memory contains the payload.
    assert!(outcome.evidence.is_relay && outcome.evidence.hidden_upstream);
}
