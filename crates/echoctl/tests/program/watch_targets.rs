//! Promise: `echoctl watch` finds a server by its name, several servers at once, and says what listens if it finds none.
//!
//! The servers are copies of perl under names that no other process has.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use echoctl_testkit::eventually;
use serde_json::Value;

use crate::named::{LISTEN, Program, start};
use crate::peer::{echoctl, text};
use crate::schema::{conforms, events, schema};

/// The first event of a watch of these targets, and what it printed to stderr.
#[track_caller]
fn watched(targets: &[&str]) -> (Value, String) {
    let options = ["--json", "--for", "20ms"];
    let output = echoctl(&[&["watch"], targets, &options].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let first = events(&output.stdout).swap_remove(0);
    assert_eq!(conforms(&first, &schema("watch")), Ok(()), "{first}");
    (first, text(&output.stderr))
}

/// The error of a watch of these targets.
#[track_caller]
fn refused(targets: &[&str], code: i32) -> String {
    let output = echoctl(&[&["watch"], targets, &["--for", "20ms"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    text(&output.stderr)
}

fn addresses(event: &Value) -> Vec<&str> {
    event["addr"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_name_stands_for_all_processes_that_have_it_and_listen() {
    // Longer than what the kernel keeps of a name.
    let program = Program::named("echoctl-watched-by-name-");
    let (one, port) = program.start(LISTEN);
    let (other, other_port) = program.start(LISTEN);
    let (silent, _) = program.start("print \"runs\\n\"");

    let (event, notes) = watched(&[&program.name]);

    let mut expected = [port, other_port].map(|port| format!("127.0.0.1:{port}"));
    expected.sort();
    let mut found = addresses(&event);
    found.sort_unstable();
    assert_eq!(found, expected);
    let processes = event["processes"].as_str().unwrap();
    let [mut first, mut second] = [one.pid(), other.pid()];
    if second < first {
        (first, second) = (second, first);
    }
    assert_eq!(processes, format!("{} (pid {first}, {second})", program.name), "not {}", silent.pid());
    assert_eq!(notes, "");
    let (event, notes) = watched(&[&program.name[..15]]);
    assert_eq!(notes, "");
    assert!(addresses(&event).contains(&expected[0].as_str()), "the kernel's name: {event}");
}

#[test]
fn a_name_with_spaces_and_escape_sequences_is_found_and_escaped() {
    let program = Program::named("echoctlexe");
    let evil = format!("\u{1b}[2J {}", std::process::id() % 100_000);
    let (server, port) = program.start(&format!("$0 = \"{evil}\"; {LISTEN}"));

    for name in [&evil, &program.name] {
        let output = echoctl(&["watch", name, "--plain", "--for", "20ms"]).output().unwrap();

        let said = text(&[output.stderr, output.stdout].concat());
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
        let title =
            format!("[2J {} (pid {}) at 127.0.0.1:{port}", std::process::id() % 100_000, server.pid());
        assert!(said.contains(&title), "{said}");
        assert_eq!(said.contains("is the executable of"), *name == program.name, "{said}");
    }
}

#[test]
fn several_targets_are_watched_as_one() {
    let program = Program::named("echoctlunion");
    let (server, port) = program.start(LISTEN);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap();

    let (event, _) = watched(&[&program.name, &own.port().to_string(), &format!("127.0.0.1:{port}")]);

    assert_eq!(addresses(&event), [format!("127.0.0.1:{port}"), own.to_string()]);
    let processes = event["processes"].as_str().unwrap();
    assert!(processes.contains(&format!("{} (pid {})", program.name, server.pid())), "{processes}");
    assert!(processes.contains(&std::process::id().to_string()), "{processes}");
}

#[test]
fn a_port_goes_before_a_pid_of_the_same_number() {
    // Listens on the port with the number of its own pid, and on another one.
    let same = format!(
        "{LISTEN} if $$ < 65536; socket(my $t, PF_INET, SOCK_STREAM, 0); \
        bind($t, sockaddr_in($$, INADDR_LOOPBACK)) && listen($t, 5) or print \"no\\n\""
    );
    let (server, port) = start(Path::new("perl"), &same);
    if port == "no" {
        eprintln!("not tested: the pid {} is not the number of a free port", server.pid());
        return;
    }
    let number = server.pid().to_string();

    let (event, notes) = watched(&[&number]);
    assert_eq!(addresses(&event), [format!("127.0.0.1:{number}")]);
    assert!(notes.contains(&format!("use --pid {number}")), "{notes}");

    let (event, _) = watched(&["--pid", &number]);
    assert_eq!(addresses(&event).len(), 2, "{event}");
}

#[test]
fn what_is_not_found_is_an_error_that_lists_what_listens() {
    let program = Program::named("echoctlnear");
    let (server, port) = program.start(LISTEN);

    let said = refused(&[&program.name.replace("near", "naer")], 4);
    assert!(said.contains("no process is named 'echoctlnaer"), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[1..3],
        [&format!("hint: did you mean {}?", program.name), "  on this host listen:"],
        "{said}"
    );
    assert!(
        lines[3].contains(&format!("{} (pid {}) at 127.0.0.1:{port}", program.name, server.pid())),
        "{said}"
    );

    let said = refused(&[], 2);
    assert!(said.contains("no target: expected a port, an address, a pid or a name"), "{said}");
    assert!(said.contains("\nhint: on this host listen:\n  ") && said.lines().count() <= 13, "{said}");
    let said = refused(&["localhost"], 4);
    assert!(said.contains("give a host with a port, such as localhost:8080"), "{said}");
}

#[test]
fn a_process_without_sockets_is_an_error() {
    let program = Program::named("echoctlsilent");
    let (silent, _) = program.start("print \"runs\\n\"");
    let pid = silent.pid();

    let said = refused(&[&program.name], 4);
    assert!(
        said.contains(&format!("{} (pid {pid}) has no visible listening socket", program.name)),
        "{said}"
    );
    let said = refused(&["--pid", &pid.to_string()], 4);
    assert!(said.contains(&format!("process {pid} has no visible listening socket")), "{said}");
}

#[test]
fn a_name_of_a_thread_leads_to_its_process() {
    let name = format!("thread{}", std::process::id());
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name(name.clone()).spawn(move || ends.recv()).unwrap();

    let said = refused(&[&name], 4);

    let me = format!("(pid {})", std::process::id());
    assert!(said.contains("hint: it is the name of a thread of ") && said.contains(&me), "{said}");
    drop(end);
    thread.join().unwrap().unwrap_err();
}

#[test]
fn the_worker_that_holds_a_connection_is_named() {
    let program = Program::named("echoctlfork");
    let (parent, port) = program.start(&format!("{LISTEN}; fork() or accept(my $c, $s)"));
    let mut client = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    client.write_all(b"hello").unwrap();
    let parent = format!("{} (pid {})", program.name, parent.pid());

    // It accepts, and its name may be found, after the first sample.
    let (event, row) = eventually("the worker is found", || {
        let output = echoctl(&["watch", &program.name, "--json", "--for", "50ms"]).output().unwrap();
        let mut events = events(&output.stdout);
        let row = events[1]["top"][0].clone();
        let is_found = row["server_process"].is_string() && row["client_process"].is_string();
        if is_found { Ok((events.swap_remove(0), row)) } else { Err(row.to_string()) }
    });

    let me = format!("(pid {})", std::process::id());
    assert!(row["client_process"].as_str().unwrap().ends_with(&me), "{row}");
    let worker = row["server_process"].as_str().unwrap();
    assert!(worker.starts_with(&format!("{} (pid ", program.name)) && worker != parent, "{row}");
    let pid = worker.rsplit_once("(pid ").unwrap().1;
    let processes = event["processes"].as_str().unwrap();
    assert!(processes.contains(pid), "one of the two that listen: {processes}");
}
