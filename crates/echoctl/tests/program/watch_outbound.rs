//! Promise: `echoctl watch --outbound` shows the connections that a process has opened, and which side of them does not read.
//!
//! The process is a copy of perl under a name that no other process has; this test is its peer.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use echoctl_observe::receive_queue;
use echoctl_testkit::{Running, eventually};
use serde_json::Value;

use crate::named::Program;
use crate::peer::{echoctl, text};
use crate::schema::{conforms, events, schema};

/// A process that has opened a connection to this test.
struct Opened {
    program: Program,
    process: Running,
    /// Our end of its connection.
    peer: TcpStream,
}

/// Starts a process that connects to this test and then runs `then`, in which `$s` is its socket.
fn opened(name: &str, then: &str) -> Opened {
    let program = Program::named(name);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        "socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in({port}, INADDR_LOOPBACK)) or die; \
         print \"connected\\n\"; {then}"
    );
    let (process, _) = program.start(&connect);
    let (peer, _) = listener.accept().unwrap();
    Opened { program, process, peer }
}

/// The first row of the last sample of a watch.
#[track_caller]
fn row(arguments: &[&str]) -> (Value, Value) {
    let options = ["--json", "--for", "150ms", "--every", "50ms"];
    let output = echoctl(&[&["watch", "--outbound"], arguments, &options].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut events = events(&output.stdout);
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    let last = events.len() - 2;
    let sample = events.swap_remove(last);
    (events.swap_remove(0), sample)
}

/// Waits until the only connection has this cause, and returns its row.
#[track_caller]
fn row_with_cause(opened: &Opened, cause: &str) -> Value {
    eventually(&format!("the cause is {cause}"), || {
        let (first, sample) = row(&[&opened.program.name]);
        assert_eq!(
            (&first["outbound"], &first["addr"]),
            (&true.into(), &Value::Array(Vec::new())),
            "{first}"
        );
        let rows = sample["top"].as_array().unwrap();
        let is_so = rows.len() == 1 && rows[0]["cause"] == cause && rows[0]["server_process"].is_string();
        if is_so { Ok(rows[0].clone()) } else { Err(sample.to_string()) }
    })
}

#[test]
fn a_process_that_does_not_read_what_it_gets_is_to_blame() {
    // It waits for its standard input.
    let opened = opened("echoctlidler", "");
    let mut writer = opened.peer.try_clone().unwrap();
    let writing = std::thread::spawn(move || while writer.write_all(&[1; 65536]).is_ok() {});

    let row = row_with_cause(&opened, "server_does_not_read");

    let process = format!("{} (pid {})", opened.program.name, opened.process.pid());
    let me = format!("(pid {})", std::process::id());
    assert_eq!((&row["outbound"], &row["server_process"]), (&true.into(), &process.as_str().into()), "{row}");
    assert!(row["client_process"].as_str().is_some_and(|peer| peer.ends_with(&me)), "{row}");
    assert_eq!(row["client"], opened.peer.local_addr().unwrap().to_string());
    assert!(row["server_receive"].as_u64().is_some_and(|bytes| bytes > 0), "{row}");
    drop(opened);
    writing.join().unwrap();
}

#[test]
fn a_peer_that_does_not_read_is_to_blame() {
    let opened = opened("echoctlsender", "syswrite($s, \"x\" x 65536) while 1");

    let row = row_with_cause(&opened, "client_does_not_read");
    let process = format!("{} (pid {})", opened.program.name, opened.process.pid());
    let pid = opened.process.pid().to_string();
    let said = eventually("the line names the process", || {
        let options = ["--plain", "--for", "300ms", "--every", "100ms"];
        let output = echoctl(&[&["watch", "--outbound", &pid], &options[..]].concat()).output().unwrap();
        let said = text(&[output.stderr, output.stdout].concat());
        if said.replace('\n', " ").contains(&format!("from {process} (")) { Ok(said) } else { Err(said) }
    });

    assert!(row["server_send"].as_u64().is_some_and(|bytes| bytes > 0), "{row}");
    assert!(said.contains(&format!("watching {process}, outbound")), "{said}");
    assert!(said.contains("  process in ") && !said.contains("server"), "{said}");
    assert!(said.contains("  peer does not read") && said.contains("the process's memory"), "{said}");
}

#[test]
fn what_a_process_has_accepted_is_not_outbound() {
    let accepts = format!("{}; accept(my $c, $l) for 1", crate::named::LISTEN);
    let program = Program::named("echoctlboth");
    let (process, port) = program.start(&accepts);
    let mut client = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    client.write_all(b"hello").unwrap();

    let (_, sample) = row(&["--pid", &process.pid().to_string()]);
    assert_eq!((&sample["connections"], &sample["top"]), (&0.into(), &Value::Array(Vec::new())), "{sample}");
    let (first, _) = row(&[&port]);
    let processes = format!("{} (pid {})", program.name, process.pid());
    assert_eq!(first["processes"], processes.as_str(), "a port stands for its process");
}

#[test]
fn bytes_that_wait_for_the_process_are_counted_as_received() {
    let opened = opened("echoctlcounts", "");
    (&opened.peer).write_all(&[1; 5000]).unwrap();
    let arrived = || receive_queue(&opened.peer).unwrap() == 0;
    assert!(arrived(), "nothing comes back");

    let row = eventually("they are received", || {
        let (_, sample) = row(&[&opened.program.name]);
        let is_so = sample["server_received"] == 5000;
        if is_so { Ok(sample) } else { Err(sample.to_string()) }
    });

    assert_eq!((&row["connections"], &row["server_read"]), (&1.into(), &0.into()), "{row}");
}
