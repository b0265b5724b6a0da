//! Promise: a frozen client does nothing, and only a frozen client of ours; it continues when it is thawed, and is always stopped.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use echoctl_observe::Process;
use echoctl_testkit::{eventually, is_suspended, signal};
use echoctl_trial::spawn::{ClientCommand, ClientLaunch, SpawnError};
use support::command::{NOTE, noted, wait_for_none};

/// Starts a client, for a server that it does not need.
fn start(command: &str) -> Result<ClientCommand, SpawnError> {
    let launch = ClientLaunch {
        command: command.parse().unwrap(),
        supervisor: vec![env!("CARGO_BIN_EXE_supervise").into()],
    };
    ClientCommand::start(&launch, &SocketAddr::from(([127, 0, 0, 1], 7)).into())
}

/// Starts a client in Perl that runs `program`, and waits until it has noted a pid.
fn perl(program: &str) -> (tempfile::TempDir, PathBuf, ClientCommand) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = folder.path().join("client.pl");
    std::fs::write(&script, format!("use POSIX; $| = 1; {NOTE} {program}")).unwrap();
    let client = start(&format!("perl {} {{port}} {}", script.display(), file.display())).unwrap();
    eventually("a process is noted", || !noted(&file).is_empty());
    (folder, file, client)
}

/// Looks for a while. A fault that is not seen in this time is seen in another run.
fn never(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..50 {
        assert!(!condition(), "{what}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Whether the number of noted pids grows.
fn has_grown(file: &Path, than: usize) -> Result<(), usize> {
    let now = noted(file).len();
    if now > than { Ok(()) } else { Err(now) }
}

#[test]
fn the_place_of_the_server_is_filled_in() {
    let mut direct = start("echo {port} {addr} $").unwrap();
    let mut plain = start("echo {port} {addr}").unwrap();
    let mut shell = start("echo \"$PORT\" 1>&2").unwrap();

    for client in [&mut direct, &mut plain, &mut shell] {
        eventually("it exits", || client.is_over());
    }
    assert_eq!(direct.output(), "7 127.0.0.1:7 $");
    assert_eq!(plain.output(), "7 127.0.0.1:7");
    assert_eq!((shell.output().as_str(), shell.printed()), ("7", 2));
    assert_eq!(shell.ended().as_deref(), Some("exit status: 0"));
}

#[test]
fn a_command_that_does_not_exist_is_an_error() {
    let error = start("/no/such/program x").unwrap_err();

    assert!(
        matches!(&error, SpawnError::Start { command, .. } if command == "/no/such/program x"),
        "{error}"
    );
}

#[test]
fn standard_input_stays_open() {
    let mut client = start("cat").unwrap();

    never("it reads the end of its input", || client.ended().is_some());
}

#[test]
fn a_frozen_client_does_nothing_until_it_is_thawed() {
    let (_folder, file, mut client) =
        perl("while (1) { note(); print 'x'; select(undef, undef, undef, 0.001) }");

    client.freeze().unwrap();
    let frozen = noted(&file).len();
    never("it goes on", || has_grown(&file, frozen).is_ok());
    client.thaw();

    eventually("it goes on", || has_grown(&file, frozen));
}

#[test]
fn processes_that_appear_while_it_is_frozen_are_frozen_too() {
    // Each process of the chain lives for a moment and starts the next one, in a session of its own.
    let chain =
        "while (1) { note(); select(undef, undef, undef, 0.001); if (fork) { exit 0 } POSIX::setsid() }";
    let (_folder, file, mut client) = perl(chain);

    for _ in 0..20 {
        client.freeze().unwrap();
        let frozen = noted(&file).len();
        std::thread::yield_now();
        assert_eq!(noted(&file).len(), frozen);
        client.thaw();
        eventually("the chain goes on", || has_grown(&file, frozen));
    }
}

#[test]
fn others_are_not_frozen() {
    let (_folder, file, mut client) = perl("if (!fork) { note() } sleep 1000 while 1;");
    let mut foreign = Command::new("sleep").arg("1000").spawn().unwrap();

    client.freeze().unwrap();

    assert!(is_suspended(noted(&file)[0]));
    assert!(!is_suspended(foreign.id()) && !is_suspended(std::process::id()));
    let parent = Process::open(noted(&file)[0]).unwrap().parent().unwrap();
    let supervisor = Process::open(parent).unwrap().parent().unwrap();
    assert!(!is_suspended(supervisor));
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}

#[test]
fn a_process_that_was_continued_is_frozen_again() {
    let (_folder, file, mut client) = perl("note(); sleep 1000 while 1;");
    let pid = noted(&file)[0];
    client.freeze().unwrap();

    signal(pid, "CONT");
    eventually("it continues", || !is_suspended(pid));
    client.freeze().unwrap();

    assert!(is_suspended(pid));
}

#[test]
fn a_frozen_client_may_clean_up_when_it_is_stopped() {
    let (folder, file, mut client) =
        perl("$SIG{TERM} = sub { open(my $f, '>', \"$ARGV[1].done\"); exit 0 }; note(); sleep 1000 while 1;");
    client.freeze().unwrap();

    assert_eq!(client.stop(), None);

    wait_for_none(&file);
    assert!(folder.path().join("pids.done").exists());
}

#[test]
fn a_frozen_client_of_a_killed_supervisor_is_stopped() {
    let (_folder, file, mut client) = perl("note(); sleep 1000 while 1;");
    let supervisor = Process::open(noted(&file)[0]).unwrap().parent().unwrap();
    client.freeze().unwrap();

    signal(supervisor, "KILL");
    drop(client);

    wait_for_none(&file);
}
