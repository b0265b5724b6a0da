//! Promise: `echoctl watch` shows the connections of a server in another network namespace, to root and, without any capability, to
//! the server's own user.
//!
//! The tests run in namespaces of their own: one for the client and the watch, and one for the server.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpStream;

use echoctl_observe::receive_queue;
use echoctl_testkit::{Caller, Elsewhere, eventually};

use crate::peer::{echoctl, text};
use crate::schema::{conforms, events, schema};

/// Watches an echo server elsewhere that has returned bytes to a client which does not read them, and expects this door.
fn watch_elsewhere(test: &str, caller: Caller, door: &str) {
    let command = [env!("CARGO_BIN_EXE_echoctl"), "serve", "--addr", Elsewhere::LISTENING];
    let skip = |why: &str| eprintln!("skipped: {why}");
    let Some(server) = Elsewhere::start(test, caller, &command, skip) else { return };
    let mut client = TcpStream::connect(server.addr).unwrap();
    client.write_all(&[b'\n'; 5000]).unwrap();
    eventually("the reply waits", || receive_queue(&client).unwrap() == 5000);

    let pid = server.pid.to_string();
    let output = echoctl(&["watch", "--pid", &pid, "--json", "--for", "100ms"]).output().unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events = events(&output.stdout);
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    assert_eq!((&events[0]["door"], &events[0]["pid"]), (&door.into(), &server.pid.into()));
    let own = client.local_addr().unwrap().to_string();
    let rows = events[1]["top"].as_array().unwrap();
    let row = rows.iter().find(|row| row["client"] == own.as_str()).unwrap();
    assert_eq!(row["server"], server.addr.to_string());
    assert_eq!((&row["received"], &row["written"]), (&5000.into(), &5000.into()), "{row}");
    assert_eq!((&row["client_receive"], &row["server_send"]), (&5000.into(), &0.into()), "{row}");
}

#[test]
fn root_watches_a_server_elsewhere_through_netlink() {
    watch_elsewhere(
        "namespaces::root_watches_a_server_elsewhere_through_netlink",
        Caller::Administrator,
        "netlink",
    );
}

#[test]
fn its_user_watches_a_server_elsewhere_through_files() {
    watch_elsewhere(
        "namespaces::its_user_watches_a_server_elsewhere_through_files",
        Caller::ServersUser,
        "proc",
    );
}
