//! Promise: the demo, the doctor and the lessons run on unusual hosts, or report why they cannot; and a server that
//! exits, or a parent that is killed, leaves neither a wrong result nor a process behind.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Output, Stdio};

use echoctl_testkit::{Running, eventually, is_running, signal};

const ECHOCTL: &str = env!("CARGO_BIN_EXE_echoctl");

/// Runs a command line of echoctl in a network namespace, prepared by `setup`; `None` where the system refuses such a
/// namespace.
fn on_host(setup: &str, args: &str) -> Option<Output> {
    let inside = |script: &str| Command::new("unshare").args(["-rn", "sh", "-c", script]).output().ok();
    let prepare = format!("ip link set lo up && {setup}");
    if !inside(&prepare).is_some_and(|prepared| prepared.status.success()) {
        eprintln!("not tested: this system refuses a network namespace with: {setup}");
        return None;
    }
    inside(&format!("{prepare} && exec '{ECHOCTL}' {args}"))
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn all_of_it_runs_on_a_host_with_ipv6_only() {
    for args in [
        "lesson handshake --json",
        "lesson dns --json",
        "lesson race --json",
        "lesson sockets --json",
        "demo --small --json --no-report",
    ] {
        let Some(output) = on_host("ip addr del 127.0.0.1/8 dev lo", args) else { return };

        assert!(output.status.success(), "{args}: {}", printed(&output));
    }
    let doctor = on_host("ip addr del 127.0.0.1/8 dev lo", "doctor --json").unwrap();
    // Whether its figures are accurate depends on the load of the machine.
    assert!(matches!(doctor.status.code(), Some(0 | 3)), "{}", printed(&doctor));
    assert!(printed(&doctor).contains("\"stalled_error\":0"), "{}", printed(&doctor));
}

#[test]
fn a_lesson_reports_why_it_cannot_run_here() {
    for (setup, args, why) in [
        (
            "sysctl -qw net.ipv4.ip_local_port_range='40000 40003'",
            "lesson sockets --json",
            "ip_local_port_range",
        ),
        ("sysctl -qw net.core.somaxconn=1", "lesson sockets --json", "somaxconn"),
        ("ulimit -n 40", "lesson sockets --json", "ulimit -n"),
    ] {
        let Some(output) = on_host(setup, args) else { continue };

        assert_eq!(output.status.code(), Some(3), "{setup}: {}", printed(&output));
        assert!(printed(&output).contains(why) && output.stdout.is_empty(), "{setup}: {}", printed(&output));
    }
}

#[test]
fn a_lesson_with_huge_queues_holds_or_reports_why() {
    let setup = "sysctl -qw net.ipv4.tcp_rmem='4096 268435456 268435456'";
    let Some(output) = on_host(setup, "lesson stream --json") else { return };

    // Whether a large write still takes several reads depends on how the processors share the work.
    let text = printed(&output);
    match output.status.code() {
        Some(0) => assert!(text.contains("\"holds\":true"), "{text}"),
        code => assert!(code == Some(3) && text.contains("tcp_rmem") && output.stdout.is_empty(), "{text}"),
    }
}

#[test]
fn a_demo_without_its_effect_does_not_explain_it() {
    let setup = "sysctl -qw net.ipv4.tcp_rmem='4096 268435456 268435456' \
                 && sysctl -qw net.ipv4.tcp_wmem='4096 268435456 268435456'";
    let Some(output) = on_host(setup, "demo --small --yes --no-report") else { return };

    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("did not show what it should") && text.contains("tcp_rmem"), "{text}");
    assert!(!text.contains("OFF rose") && !text.contains("ON stayed flat"), "{text}");
}

/// Starts a command that starts servers.
fn start(args: &[&str]) -> Running {
    let mut command = Command::new(ECHOCTL);
    Running::start(command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// Its children, once there are `count`.
fn servers(pid: u32, count: usize) -> Vec<u32> {
    eventually("the servers are started", || {
        // A thread that starts a child is its parent: each thread has its own list.
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let lists =
            threads.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let found: Vec<u32> = lists
            .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        if found.len() >= count { Ok(found) } else { Err(found) }
    })
}

fn all_end(pids: &[u32]) {
    eventually("no server runs", || !pids.iter().any(|&pid| is_running(pid)));
}

#[test]
fn a_server_that_is_killed_is_an_error_of_the_run() {
    for (args, count) in [
        (&["demo", "--small", "--json", "--no-report"][..], 2),
        (&["lesson", "backpressure", "--json"], 3),
        (&["lesson", "sockets", "--json"], 1),
    ] {
        let mut run = start(args);
        let pids = servers(run.pid(), count);

        signal(pids[0], "KILL");

        let mut text = String::new();
        std::io::Read::read_to_string(run.0.stderr.as_mut().unwrap(), &mut text).unwrap();
        assert_eq!(run.end("its server was killed").code(), Some(1), "{args:?}: {text}");
        assert!(text.contains("server") && !text.contains("panicked"), "{args:?}: {text}");
        all_end(&pids);
    }
}

#[test]
fn servers_exit_when_their_parent_is_killed() {
    for (args, count) in [
        (&["demo", "--small", "--json", "--no-report"][..], 2),
        (&["lesson", "backpressure", "--json"], 3),
        (&["lesson", "unbounded", "--json"], 5),
    ] {
        let run = start(args);
        let pids = servers(run.pid(), count);

        run.signal("KILL");

        all_end(&pids);
    }
}
