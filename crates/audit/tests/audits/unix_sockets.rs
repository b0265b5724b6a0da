//! Promise: a server on a Unix-domain socket is attacked and judged as one on TCP is, with counters that are exact.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, Error};
use echoctl_observe::ServerAddr;
use echoctl_record::Verdict;
use echoctl_testkit::{Running, eventually};
use echoctl_trial::spawn::{Launch, ListenAt, Target};
use echoctl_verdict::audit::figures;

use crate::support::command::{SERVER, assert_nothing_reaches, attack, config, launch};

/// Starts a command on a new path.
fn start(command: &[&str]) -> Target {
    Target::start(&Launch { at: ListenAt::FreePath, ..launch(command) }, &AtomicBool::new(false)).unwrap()
}

/// A server in Perl on a socket of this type at `$ARGV[0]`, which runs `serve` for each connection `$c`.
fn perl(kind: &str, serve: &str) -> String {
    format!(
        "use Socket; socket(my $l, PF_UNIX, {kind}, 0); bind($l, sockaddr_un($ARGV[0])) or die $!; listen($l, 9); \
         while (accept(my $c, $l)) {{ {serve} }}"
    )
}

/// Echoes each connection in a process of its own, and writes before it reads on.
const ECHO: &str = "next if fork; while (sysread($c, my $b, 65536)) { my $o = 0; \
    while ($o < length $b) { $o += syswrite($c, $b, length($b) - $o, $o) or exit } } exit";

#[test]
fn a_server_that_waits_is_bounded() {
    let target = start(&["perl", "-e", &perl("SOCK_STREAM", ECHO), "{socket}"]);

    let outcome = attack(&target).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert_eq!(figures(&outcome.evidence).lost, Some(0));
    let last = &outcome.evidence.points.last().unwrap().sample;
    let (read, written) = (last.server_read.unwrap(), last.server_written.unwrap());
    assert_eq!((last.server_received, last.client_received), (Some(last.produced), Some(written)));
    assert!(read < last.produced && written <= read && read - written <= 65536, "{last:?}");
}

#[test]
fn a_server_that_collects_is_unbounded() {
    let target = start(&[SERVER, "collect-unix", "{socket}"]);

    let config = AuditConfig { budget: 64 << 20, ..config(&target) };
    let outcome = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
}

#[test]
fn a_process_that_takes_over_the_path_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let addr = ServerAddr::Unix(path.clone());
    let at = ListenAt::Given(addr.clone());
    let command = perl("SOCK_STREAM", ECHO);
    let target = Target::start(
        &Launch { at, ..launch(&["perl", "-e", &command, "{socket}"]) },
        &AtomicBool::new(false),
    );
    let descendants = target.unwrap().descendants();
    std::fs::remove_file(&path).unwrap();
    let trap = perl("SOCK_STREAM", "exit 7 if sysread($c, my $b, 1)");
    let successor = Running::start(Command::new("perl").args(["-e", &trap]).arg(&path));
    eventually("the other process listens", || echoctl_observe::listener_at(&addr));

    assert_nothing_reaches(successor, descendants, addr);
}

#[test]
fn a_socket_of_packets_is_refused_in_words() {
    let target = start(&["perl", "-e", &perl("SOCK_SEQPACKET", "sleep 1000"), "{socket}"]);

    let error = attack(&target).unwrap_err();

    let Error::Connect { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().starts_with("it transmits packets"), "{source}");
}
