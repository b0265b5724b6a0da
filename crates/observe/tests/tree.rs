//! A process tree follows the processes that a server starts, and notices which have exited.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use echoctl_observe::{Process, ProcessTree, RootExit};
use echoctl_testkit::{eventually, signal};

#[test]
fn later_processes_become_members_until_they_exit() {
    let mut shell = shell("read line; cat | cat; true");
    let mut tree = ProcessTree::new([shell.id()]).unwrap();
    assert_eq!(tree.read().processes, 1, "the shell waits for a line and has started nothing");

    shell.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    eventually("both have started", || {
        tree.rescan();
        tree.members().filter(|process| process.name() == "cat").count() == 2
    });
    let reading = tree.read();
    assert_eq!(reading.processes, 3);
    assert!(reading.memory.anonymous > 0);
    assert_eq!(reading.exited, None);

    drop(shell.stdin.take());
    eventually("the shell exits", || tree.read().exited == Some(RootExit::All(shell.id())));
    eventually("all exit", || tree.read().processes == 0);
    shell.wait().unwrap();
}

#[test]
fn a_tree_below_a_process_leaves_that_process_out() {
    let mut shell = shell("read line; cat | cat; true");
    let mut tree = ProcessTree::new([]).unwrap();
    tree.add_below(shell.id()).unwrap();
    assert_eq!(tree.read().processes, 0);

    shell.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    eventually("both have started", || {
        tree.rescan();
        tree.members().filter(|process| process.name() == "cat").count() == 2
    });

    assert!(tree.members().all(|process| process.pid() != shell.id()));
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

#[test]
fn memory_of_a_grandchild_counts() {
    // When asked, the inner shell allocates a string of 32 MiB, until the end of its input.
    let mut shell = shell(
        "INNER='read line; s=$(head -c 33554432 /dev/zero | tr \"\\0\" x); echo ready; read line; true'
        sh -c \"$INNER\"; true",
    );
    let mut tree = ProcessTree::new([shell.id()]).unwrap();
    eventually("the inner shell has started", || {
        tree.rescan();
        tree.read().processes == 2
    });
    let before = tree.read().memory.total();

    shell.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let after = tree.read().memory.total();

    assert_eq!(line.trim(), "ready");
    assert!(after >= before + (32 << 20), "{before} {after}");
    let large = tree.memory_by_process().filter(|(_, memory)| memory.total() >= 32 << 20);
    let pids: Vec<u32> = large.map(|(process, _)| process.pid()).collect();
    assert!(pids.len() == 1 && pids[0] != shell.id(), "the memory is the inner shell's: {pids:?}");
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

#[test]
fn the_sums_include_exited_processes() {
    let mut shell = shell("read line; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; read line; true");
    let mut tree = ProcessTree::new([std::process::id(), shell.id()]).unwrap();
    shell.stdin.as_mut().unwrap().write_all(b"count\n").unwrap();
    let pid = shell.id();
    eventually("it has computed", || {
        tree.rescan();
        let busy = tree.members().find(|process| process.pid() == pid).unwrap();
        busy.processor_time().unwrap().total() >= Duration::from_millis(20)
    });
    tree.rescan();
    let before = tree.read().processor_time;

    drop(shell.stdin.take());
    shell.wait().unwrap();
    tree.rescan();

    assert_eq!(tree.read().exited, Some(RootExit::One(pid)));
    assert!(tree.read().processor_time >= before);
}

#[test]
fn a_server_of_several_processes_ends_with_the_last() {
    let mut shells = [shell("read line"), shell("read line")];
    let [first, second] = [shells[0].id(), shells[1].id()];
    let mut tree = ProcessTree::new([first, second]).unwrap();
    let mut end = |index: usize| {
        drop(shells[index].stdin.take());
        shells[index].wait().unwrap();
    };

    end(1);
    assert_eq!(tree.read().exited, Some(RootExit::One(second)));
    tree.rescan();
    let exited = tree.read().exited.unwrap();
    assert_eq!((exited.of_server(false), exited.of_server(true)), (None, Some(second)));

    end(0);
    assert_eq!(tree.read().exited, Some(RootExit::All(first)));
    assert_eq!(tree.read().exited.unwrap().of_server(false), Some(first));
}

#[test]
fn a_suspended_process_is_recognised_until_it_goes_on() {
    let mut shell = shell("cat");
    let process = Process::open(shell.id()).unwrap();
    assert!(!process.is_suspended());

    signal(shell.id(), "STOP");
    eventually("it is suspended", || process.is_suspended());
    signal(shell.id(), "CONT");
    eventually("it goes on", || !process.is_suspended());

    drop(shell.stdin.take());
    shell.wait().unwrap();
}

#[test]
fn a_killed_server_has_exited_once_its_connections_close() {
    for _ in 0..20 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect =
            format!("exec 3<>/dev/tcp/127.0.0.1/{} && read line", listener.local_addr().unwrap().port());
        let mut server = Command::new("bash").args(["-c", &connect]).stdin(Stdio::piped()).spawn().unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        let mut tree = ProcessTree::new([server.id()]).unwrap();
        assert_eq!(tree.read().exited, None);

        server.kill().unwrap();
        assert_eq!(connection.read(&mut [0]).unwrap_or(0), 0, "it closes");

        assert_eq!(tree.read().exited, Some(RootExit::All(server.id())));
        server.wait().unwrap();
    }
}

fn shell(script: &str) -> Child {
    Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}
