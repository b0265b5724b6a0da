//! Promise: `echoctl watch --map` names the process that absorbs backpressure, in a real chain of servers.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use echoctl_testkit::{Running, eventually};
use serde_json::Value;

use crate::chain::{Role, play, start};
use crate::peer::{echoctl, text};
use crate::running::command;
use crate::schema::{conforms, schema};

#[test]
#[ignore = "a process that the other tests start"]
fn a_process_of_a_chain() {
    play();
}

/// The processes of a pressure in a map with their roles, the readers first: `[(pid, "does_not_read"), (pid, "passes_on"), …]`.
fn found(map: &Value) -> Vec<Vec<(u64, String)>> {
    let pid = |node: &Value| {
        map["processes"][node.as_u64().unwrap() as usize]["pids"][0].as_u64().unwrap_or_default()
    };
    let list = |pressure: &Value| {
        let reader = (pid(&pressure["readers"][0]), pressure["begins"].as_str().unwrap().to_owned());
        let hops = pressure["hops"].as_array().unwrap().iter();
        let hops = hops.map(|hop| (pid(&hop["process"]), hop["role"]["role"].as_str().unwrap().to_owned()));
        std::iter::once(reader).chain(hops).collect()
    };
    map["pressure"].as_array().unwrap().iter().map(list).collect()
}

/// The first map around a process in which pressure has these roles.
fn map_with(pid: u32, roles: &[(u32, &str)]) -> Value {
    let expected: Vec<(u64, String)> =
        roles.iter().map(|(pid, role)| (u64::from(*pid), (*role).to_owned())).collect();
    let arguments = ["watch", "--map", &pid.to_string(), "--json", "--every", "200ms"];
    let mut watch = Running::start(command(&arguments).stdout(Stdio::piped()));
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    eventually("the map has the expected roles", || {
        let map: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(conforms(&map, &schema("map")), Ok(()), "{map}");
        let found = found(&map);
        if found.contains(&expected) { Ok(map) } else { Err(format!("{found:?} instead of {expected:?}")) }
    })
}

#[test]
fn the_relay_without_backpressure_absorbs() {
    let (source, addr) = start(Role::Source, None);
    let (api, addr) = start(Role::Unbounded, Some(addr));
    let (proxy, addr) = start(Role::Bounded, Some(addr));
    let (client, _) = start(Role::Client, Some(addr));

    let roles = [(client.pid(), "does_not_read"), (proxy.pid(), "passes_on"), (api.pid(), "absorbs")];
    let map = map_with(proxy.pid(), &roles);

    let sentence = map["pressure"][0]["sentence"].as_str().unwrap();
    assert!(
        sentence.contains(" absorbs it: its memory grows by ") && sentence.contains("MiB/s"),
        "{sentence}"
    );
    assert!(map["processes"].as_array().unwrap().iter().any(|node| node["pids"][0] == source.pid()));
}

#[test]
fn pressure_reaches_the_source_of_a_bounded_chain() {
    let (source, addr) = start(Role::Source, None);
    let (api, addr) = start(Role::Bounded, Some(addr));
    let (proxy, addr) = start(Role::Bounded, Some(addr));
    let (client, _) = start(Role::Client, Some(addr));

    let roles = [
        (client.pid(), "does_not_read"),
        (proxy.pid(), "passes_on"),
        (api.pid(), "passes_on"),
        (source.pid(), "waits"),
    ];
    let map = map_with(api.pid(), &roles);

    let sentence = map["pressure"][0]["sentence"].as_str().unwrap();
    assert!(sentence.ends_with("; no process absorbs it."), "{sentence}");
}

#[test]
fn the_map_is_printed_as_text_and_written_as_a_page() {
    let (source, addr) = start(Role::Source, None);
    let (client, _) = start(Role::Client, Some(addr));
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("map.html");
    // Once pressure is there, it stays.
    map_with(client.pid(), &[(client.pid(), "does_not_read"), (source.pid(), "waits")]);

    let arguments = ["watch", "--plain", "--for", "4s", "--report", page.to_str().unwrap(), "--map"];
    let output = echoctl(&arguments).arg(client.pid().to_string()).output().unwrap();

    let (stdout, page) = (text(&output.stdout), fs::read_to_string(page).unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let pid = client.pid();
    for expected in [format!("({pid}) does not read ("), "waits, and has no input".into(), " full ".into()] {
        assert!(stdout.contains(&expected), "{expected}: {stdout}");
    }
    assert!(stdout.is_ascii() && stdout.contains("processes were held back for"), "{stdout}");
    assert!(page.contains("does not read") && page.contains("<svg"));
}

#[test]
fn a_map_needs_no_target_and_refuses_one() {
    let all = echoctl(&["watch", "--map", "--json", "--for", "300ms"]).output().unwrap();
    let with_pid = echoctl(&["watch", "--pid", "1", "--map"]).output().unwrap();

    assert_eq!(all.status.code(), Some(0), "{}", text(&all.stderr));
    for line in text(&all.stdout).lines() {
        assert_eq!(conforms(&serde_json::from_str(line).unwrap(), &schema("map")), Ok(()), "{line}");
    }
    assert_eq!(text(&all.stdout).lines().count(), 2, "the last map, and the summary");
    assert_eq!(with_pid.status.code(), Some(2), "{}", text(&with_pid.stderr));
}

#[test]
fn a_map_takes_the_targets_of_a_watch() {
    let (source, addr) = start(Role::Source, None);
    let port = addr.port().to_string();
    let pid = source.pid().to_string();
    for arguments in [["--map", &port], [&port, "--map"], ["--map", &pid]] {
        let output = echoctl(&["watch", "--plain", "--for", "1s"]).args(arguments).output().unwrap();

        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let title = stderr.lines().find(|line| line.starts_with("mapping what is connected with "));
        assert!(title.is_some_and(|title| title.contains(&format!("(pid {pid})"))), "{stderr}");
    }
    for (name, expected) in [("99999999", "no process has that pid"), ("no-such-process", "no-such-process")]
    {
        let output = echoctl(&["watch", "--map", name, "--for", "1s"]).output().unwrap();

        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(4) && stderr.contains(expected), "{stderr}");
    }
}

/// The script beside this test, run by Node.js; and the port at which it listens.
fn node(role: &str, port: Option<u16>) -> (Running, u16) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/chain/chain.js");
    let port = port.map_or(String::new(), |port| port.to_string());
    let mut node = Running::start(Command::new("node").args([script, role, &port]).stdout(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(node.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (node, line.trim().parse().unwrap())
}

/// nginx before a server, without buffering of replies; and the path of its socket.
fn nginx(folder: &Path, port: u16) -> (Running, std::path::PathBuf) {
    let socket = folder.join("front.sock");
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log; events {{}}
         http {{ access_log off; client_body_temp_path {0}/1; proxy_temp_path {0}/2; fastcgi_temp_path {0}/3;
         uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;
         server {{ listen unix:{1}; location / {{ proxy_pass http://{2}; proxy_buffering off; }} }} }}",
        folder.display(),
        socket.display(),
        SocketAddr::from(([127, 0, 0, 1], port)),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&file).stdin(Stdio::null()).stderr(Stdio::null());
    (Running::start(&mut command), socket)
}

/// Client, nginx, Node.js and an upstream server, with Node.js in this role; and what the map has to say about them.
fn nginx_node_upstream(role: &str, end: &[(usize, &str)]) {
    let has = |program: &str, version: &str| Command::new(program).arg(version).output().is_ok();
    if !(has("nginx", "-v") && has("node", "--version")) {
        eprintln!("skipped: nginx or node is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (upstream, port) = node("upstream", None);
    let (api, port) = node(role, Some(port));
    let (nginx, socket) = nginx(folder.path(), port);
    let mut stream = eventually("nginx listens", || UnixStream::connect(&socket));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let client = Running::start(Command::new("sleep").arg("1000").stdin(OwnedFd::from(stream)));

    let pids = [upstream.pid(), api.pid()];
    let mut roles = vec![(client.pid(), "does_not_read"), (nginx.pid(), "passes_on")];
    roles.extend(end.iter().map(|(process, role)| (pids[*process], *role)));
    let map = map_with(api.pid(), &roles);

    let names: Vec<&str> =
        map["processes"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect();
    for name in ["sleep", "nginx", "node chain.js"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn node_absorbs_between_nginx_and_upstream_without_pipe() {
    nginx_node_upstream("data", &[(1, "absorbs")]);
}

#[test]
fn node_passes_pressure_on_to_upstream_with_pipe() {
    nginx_node_upstream("pipe", &[(1, "passes_on"), (0, "waits")]);
}
