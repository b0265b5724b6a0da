//! Promise: no process of a target survives it, whatever the processes do to escape, and even if the supervisor is killed.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use echoctl_observe::{Process, ProcessTree};
use echoctl_testkit::eventually;
use echoctl_trial::spawn::{Launch, SpawnError, Target};
use support::command::{ECHO, NOTE, is_running, launch, noted, start, wait_for_none};

/// A folder with a file for pids in it.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    (folder, file)
}

/// Starts an echo server in Perl that runs `first` and notes its pid before it listens.
fn perl(first: &str, file: &Path, before: &[&str]) -> Result<Target, SpawnError> {
    let program = format!("{NOTE} {first} note(); {ECHO}");
    let words = [before, &["perl", "-e", &program, "{port}", file.to_str().unwrap()]].concat();
    start(&words)
}

/// Moves into the background as daemons do: two forks and a session.
const DAEMON: &str = "use POSIX; if (fork) { exit 0 } POSIX::setsid(); if (fork) { exit 0 }";

#[test]
fn a_daemon_is_stopped() {
    let (_folder, file) = file();
    drop(perl(DAEMON, &file, &[]).unwrap());
    wait_for_none(&file);
}

#[test]
fn a_daemon_with_an_empty_environment_is_stopped() {
    let (_folder, file) = file();
    drop(perl(DAEMON, &file, &["env", "-i"]).unwrap());
    wait_for_none(&file);
}

#[test]
fn a_server_in_a_session_of_its_own_is_stopped() {
    let (_folder, file) = file();
    drop(perl("", &file, &["setsid", "--fork"]).unwrap());
    wait_for_none(&file);
}

#[test]
fn a_server_that_ignores_sigterm_is_stopped() {
    let (_folder, file) = file();
    drop(perl("$SIG{TERM} = $SIG{HUP} = $SIG{INT} = \"IGNORE\";", &file, &[]).unwrap());
    wait_for_none(&file);
}

#[test]
fn a_child_that_is_forked_at_sigterm_is_stopped() {
    let (_folder, file) = file();
    // Each signal makes another process, in its own session, which does the same.
    let forks = "use POSIX; $SIG{TERM} = sub { if (!fork) { POSIX::setsid(); note(); sleep 1000 while 1 } };";
    drop(perl(forks, &file, &[]).unwrap());
    wait_for_none(&file);
}

#[test]
fn a_process_that_forks_endlessly_is_stopped() {
    let (_folder, file) = file();
    // Only the last process of the chain lives at any time, and only for a moment; each notes its pid.
    let hops = "if (!fork) { POSIX::setsid(); $SIG{TERM} = \"IGNORE\"; \
        while (1) { note(); select(undef, undef, undef, 0.002); if (fork) { exit 0 } } }";
    drop(perl(&format!("use POSIX; {hops}"), &file, &[]).unwrap());
    wait_for_none(&file);
}

#[test]
fn a_daemon_that_never_listens_is_stopped_too() {
    let (_folder, file) = file();
    let program = format!("{NOTE} {DAEMON} note(); sleep 1000;");
    let words = ["env", "-i", "perl", "-e", &program, "{port}", file.to_str().unwrap()];
    let stop = AtomicBool::new(false);

    // It is waited for as long as the daemon runs, although the command has exited.
    let error = std::thread::scope(|scope| {
        let started = scope.spawn(|| Target::start(&launch(&words), &stop));
        eventually("a process is noted", || !noted(&file).is_empty());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        started.join().unwrap().unwrap_err()
    });

    assert!(matches!(error, SpawnError::Interrupted), "{error}");
    wait_for_none(&file);
}

#[test]
fn a_daemon_that_listens_late_is_found() {
    let (_folder, file) = file();
    let late = format!("{DAEMON} select(undef, undef, undef, 0.3);");
    let target = perl(&late, &file, &["env", "-i"]).unwrap();

    assert!(target.roots().iter().any(|pid| noted(&file).contains(pid)));
    drop(target);
    wait_for_none(&file);
}

#[test]
fn a_killed_supervisor_leaves_nothing_running() {
    let (_folder, file) = file();
    let target = perl(&format!("{DAEMON} if (!fork) {{ note(); sleep 1000 }}"), &file, &[]).unwrap();
    eventually("two processes are noted", || noted(&file).len() == 2);
    let supervisor = supervisor_of(noted(&file)[0]);

    signal("KILL", supervisor);
    eventually("the supervisor exits", || !is_running(supervisor));
    drop(target);

    wait_for_none(&file);
}

#[test]
fn a_stopped_supervisor_leaves_nothing_running() {
    let (_folder, file) = file();
    let target = perl(DAEMON, &file, &[]).unwrap();

    signal("STOP", supervisor_of(noted(&file)[0]));
    drop(target);

    wait_for_none(&file);
}

#[test]
fn two_targets_do_not_touch_each_other() {
    let (_folder, file) = file();
    let first = perl(DAEMON, &file, &["env", "-i"]).unwrap();
    let (_other_folder, other_file) = self::file();
    let second = perl(DAEMON, &other_file, &["env", "-i"]).unwrap();

    drop(first);

    wait_for_none(&file);
    assert!(noted(&other_file).into_iter().all(is_running));
    assert!(second.roots().iter().any(|pid| noted(&other_file).contains(pid)));
    drop(second);
    wait_for_none(&other_file);
}

#[test]
fn other_children_are_not_signalled() {
    let (_folder, file) = file();
    let mut foreign = Command::new("sleep").arg("1000").spawn().unwrap();
    let target = perl(DAEMON, &file, &[]).unwrap();
    let mut later = Command::new("sleep").arg("1000").spawn().unwrap();

    // The worst case: orphans are inherited by this process, beside children of its own.
    signal("KILL", supervisor_of(noted(&file)[0]));
    drop(target);

    wait_for_none(&file);
    for foreign in [&mut foreign, &mut later] {
        assert!(foreign.try_wait().unwrap().is_none());
        foreign.kill().unwrap();
        foreign.wait().unwrap();
    }
}

#[test]
fn a_supervisor_that_cannot_be_started_is_an_error() {
    let launch = Launch { supervisor: vec!["/no/such/program".into()], ..launch(&["true"]) };

    let error = Target::start(&launch, &AtomicBool::new(false)).unwrap_err();

    assert!(matches!(&error, SpawnError::Start { .. }), "{error}");
}

/// The parent of an orphan of a target.
fn supervisor_of(pid: u32) -> u32 {
    let own = Process::open(std::process::id()).unwrap().children();
    let is_above = |child: &u32| {
        // Children of other tests may exit meanwhile.
        ProcessTree::new([*child]).is_ok_and(|tree| tree.members().any(|member| member.pid() == pid))
    };
    own.into_iter().find(is_above).expect("the supervisor is a child of this process")
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}
