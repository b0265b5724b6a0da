//! Promise: `echoctl watch` names each client that causes trouble, with the cause, within three seconds, and blames no other one.
//!
//! The truth is what `ss` shows of 200 connections, twelve of which are in trouble. It needs the right to make network namespaces.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use echoctl_testkit::{Caller, Elsewhere};
use serde_json::Value;

use crate::peer::{echoctl, text};
use crate::pty::Terminal;
use crate::pty::screen::Screen;
use crate::scene::{Scene, Trouble};
use crate::schema::{conforms, events, schema};

#[test]
fn each_client_in_trouble_is_named_with_its_cause() {
    let command = [env!("CARGO_BIN_EXE_echoctl"), "serve", "--addr", Elsewhere::LISTENING];
    let skip = |why: &str| eprintln!("skipped: {why}");
    let test = "watch_causes::each_client_in_trouble_is_named_with_its_cause";
    let Some(elsewhere) = Elsewhere::start(test, Caller::Administrator, &command, skip) else { return };
    let scene = Scene::new(&elsewhere);

    let wrong = [in_json(&scene), in_lines(&scene), in_the_view(&scene)].concat();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong in the samples of `--json`.
fn in_json(scene: &Scene) -> Vec<String> {
    let target = scene.target();
    let output = echoctl(&["watch", &target, "--json", "--top", "1000", "--for", "3s"]).output().unwrap();
    let mut wrong = Vec::new();
    let events = events(&output.stdout);
    for event in &events {
        assert_eq!(conforms(event, &schema("watch")), Ok(()), "{event}");
    }
    let samples: Vec<&Value> = events.iter().filter(|event| event["event"] == "sample").collect();
    for sample in &samples {
        assert_eq!(sample["top"].as_array().unwrap().len(), scene.connections, "at {}", sample["t"]);
    }
    for sample in &samples {
        for row in sample["top"].as_array().unwrap() {
            let is_blamed = !["flows", "idle"].contains(&row["cause"].as_str().unwrap());
            if is_blamed && !scene.troubles.contains_key(&client(row)) {
                wrong.push(format!("json at {}: a healthy client is blamed: {row}", sample["t"]));
            }
        }
    }
    let last = samples.last().expect("a sample")["top"].as_array().unwrap();
    let causes: BTreeMap<SocketAddr, &Value> = last.iter().map(|row| (client(row), &row["cause"])).collect();
    for (client, trouble) in &scene.troubles {
        if causes[client] != trouble.token() {
            wrong.push(format!("json: {client}: {} is {}", trouble.token(), causes[client]));
        }
    }
    wrong
}

fn client(row: &Value) -> SocketAddr {
    row["client"].as_str().unwrap().parse().unwrap()
}

/// What is wrong in what `--plain` has printed after three seconds.
fn in_lines(scene: &Scene) -> Vec<String> {
    let output = echoctl(&["watch", &scene.target(), "--plain", "--for", "3s"]).output().unwrap();
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    compare("plain", &lines, scene)
}

/// What is wrong in the live view after three seconds.
fn in_the_view(scene: &Scene) -> Vec<String> {
    let terminal = Terminal::open();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    watch.args(["watch", &scene.target(), "--for", "3s"]).env("TERM", "xterm-256color");
    watch.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(Stdio::inherit());
    assert!(watch.status().unwrap().success());
    // Otherwise it stays open.
    drop(watch);
    let screen = Screen::before_it_is_left(&terminal.close(), 120, 40);
    let lines: Vec<&str> = screen.iter().map(String::as_str).collect();
    compare("view", &lines, scene)
}

/// Each client in trouble has a line with its cause, and no other client has one with any of these causes.
fn compare(form: &str, lines: &[&str], scene: &Scene) -> Vec<String> {
    let mut wrong = Vec::new();
    for (client, trouble) in &scene.troubles {
        let is_named = |line: &&str| names(line, *client) && line.contains(trouble.words());
        if !lines.iter().any(is_named) {
            wrong.push(format!("{form}: no line says \"{client} {}\"", trouble.words()));
        }
    }
    for line in lines {
        let blames = Trouble::ALL.iter().any(|trouble| line.contains(trouble.words()));
        let has_port = |word: &str| word.starts_with("127.0.0.1:") || word.starts_with("10.77.0.2:");
        let is_healthy =
            line.split_whitespace().find(|word| has_port(word)).and_then(|word| word.parse().ok());
        let is_healthy = is_healthy.is_some_and(|client: SocketAddr| {
            !scene.troubles.contains_key(&client) && client.port() != scene.port
        });
        if blames && is_healthy {
            wrong.push(format!("{form}: a healthy client is blamed: {line}"));
        }
    }
    if !wrong.is_empty() {
        wrong.push(lines.join("\n"));
    }
    wrong
}

/// Whether a line is about this client.
fn names(line: &str, client: SocketAddr) -> bool {
    line.split(|c: char| c.is_whitespace() || "(),;".contains(c)).any(|word| word == client.to_string())
}
