//! Promise: a target is ready when it listens, gets its port, and leaves no process when it is dropped.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use echoctl_observe::Process;
use echoctl_testkit::eventually;
use echoctl_trial::spawn::{Launch, ListenAt, SpawnError, Target};
use support::command::{ECHO, launch, start};

fn echoes(target: &Target) {
    let mut stream = TcpStream::connect(target.addr().tcp().unwrap()).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn the_command_gets_its_port() {
    echoes(&start(&["perl", "-e", ECHO]).unwrap());
    echoes(&start(&["env", "-u", "PORT", "perl", "-e", ECHO, "{port}"]).unwrap());
}

#[test]
fn a_background_server_is_found_measured_and_stopped() {
    let target = start(&["sh", "-c", &format!("setsid perl -e '{ECHO}' & exit 0")]).unwrap();
    let pids = target.roots();
    echoes(&target);
    assert!(!pids.is_empty());

    drop(target);

    eventually("all processes end", || pids.iter().all(|pid| Process::open(*pid).is_err()));
}

#[test]
fn a_command_starts_with_no_signal_blocked() {
    let target = start(&["perl", "-e", ECHO]).unwrap();

    let status = std::fs::read_to_string(format!("/proc/{}/status", target.roots()[0])).unwrap();

    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(blocked, 16), Ok(0), "{blocked}");
}

#[test]
fn sigterm_comes_before_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let handler = format!("$SIG{{TERM}} = sub {{ open(my $f, '>', '{}'); exit }}; ", asked.display());
    let target = start(&["perl", "-e", &(handler + ECHO)]).unwrap();

    drop(target);

    assert!(asked.exists());
}

#[test]
fn children_of_a_target_are_stopped() {
    let target = start(&["sh", "-c", &format!("sleep 1000 & perl -e '{ECHO}'; true")]).unwrap();
    let leader = target.roots()[0];
    let tree = echoctl_observe::ProcessTree::new([leader]).unwrap();
    let pids: Vec<u32> = tree.members().map(Process::pid).collect();
    assert!(pids.len() >= 3, "the shell, the sleeper and the server: {pids:?}");

    drop(target);

    eventually("all processes end", || pids.iter().all(|pid| Process::open(*pid).is_err()));
}

#[test]
fn an_address_in_use_is_refused_before_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();

    let refused = Target::start(
        &Launch { at: ListenAt::Given(addr.into()), ..launch(&["true"]) },
        &AtomicBool::new(false),
    );

    let Err(SpawnError::AddrInUse { listener: Some(listener), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(listener.pid, Some(std::process::id()));
}

#[test]
fn a_long_command_is_shortened() {
    let mut command = vec!["false"];
    command.resize(10_000, "argument");

    let error = start(&command).unwrap_err().to_string();

    assert!(error.starts_with("'false argument") && error.len() < 1200, "{error}");
}

#[test]
fn running_out_of_memory_is_found_in_all_that_is_printed() {
    let lines = "print STDERR \"log line $_\\n\" for 1..5000;";
    let fails = format!("{lines} print STDERR \"Out of memory!\\n\"; {lines} sleep 1000");
    let server = format!("$SIG{{USR1}} = sub {{ {fails} }}; {ECHO}");
    let target = start(&["perl", "-e", &server]).unwrap();
    let printed = target.printed();
    assert_eq!(printed.out_of_memory(), None);

    let signalled = Command::new("kill").args(["-USR1", &target.roots()[0].to_string()]).status();

    assert!(signalled.unwrap().success());
    eventually("its report is found", || printed.out_of_memory().as_deref() == Some("Out of memory!"));
    eventually("its end is shown", || target.output().ends_with("log line 5000"));
}
