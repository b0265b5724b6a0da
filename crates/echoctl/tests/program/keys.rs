//! Promise: the live views obey their keys, and the terminal is restored however they end.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::thread;

use echoctl_testkit::{Running, catches_interrupts, echo, is_suspended, reads};
use serde_json::Value;

use crate::peer::server;
use crate::pty::Terminal;
use crate::running::command;
use crate::schema::{conforms, events, schema};

/// A command in a terminal window, once it shows `text` and takes keys.
fn started(words: &[&str], text: &str) -> (Running, Terminal) {
    let terminal = Terminal::with_columns(100);
    let mut command = command(words);
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    terminal.control(&mut command);
    let mut running = Running(command.spawn().unwrap());
    // It holds the terminal open.
    drop(command);
    running.wait_until("it catches signals", catches_interrupts);
    running.wait_until("it takes keys", |_| terminal.delivers_keys_at_once());
    running.wait_until("it shows the text", |_| terminal.shows(text));
    (running, terminal)
}

/// Asserts that the terminal is as it was, and returns what was written to it last.
fn restored(terminal: Terminal, what: &str) -> String {
    assert!(!terminal.delivers_keys_at_once(), "{what}: the terminal does not show keys");
    let shown = terminal.close();
    assert!(shown.rfind(SHOW_CURSOR) >= shown.rfind(HIDE_CURSOR), "{what}: no cursor: {shown:?}");
    assert!(shown.rfind(LEAVE) >= shown.rfind(ENTER), "{what}: still on the other screen: {shown:?}");
    let left = shown.rfind(LEAVE).map_or(0, |at| at + LEAVE.len());
    shown[left..].to_owned()
}

#[test]
fn watch_restores_the_terminal_however_it_ends() {
    for (key, signal, code) in
        [("q", "", 0), ("\u{3}", "", 130), ("", "TERM", 143), ("", "HUP", 129), ("/q", "INT", 130)]
    {
        let (mut watch, terminal) = started(&["watch", &server(echo)], "connections");
        let what = format!("{key:?} {signal}");

        terminal.press(key);
        if !signal.is_empty() {
            watch.signal(signal);
        }

        assert_eq!(watch.end(&what).code(), Some(code), "{what}");
        let last = restored(terminal, &what);
        assert!(last.contains("No connection was seen"), "{what}: {last:?}");
    }
}

#[test]
fn watch_restores_the_terminal_when_the_server_exits() {
    let mut serve = command(&["serve", "--addr", "127.0.0.1:0", "--json"]);
    let mut serve = Running(serve.stdout(std::process::Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let mut events = std::io::BufReader::new(serve.0.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut events, &mut line).unwrap();
    let addr = serde_json::from_str::<serde_json::Value>(&line).unwrap()["addr"].as_str().unwrap().to_owned();
    let (mut watch, terminal) = started(&["watch", &addr], "connections");

    serve.signal("KILL");

    assert_eq!(watch.end("watch").code(), Some(0));
    let last = restored(terminal, "the server exits");
    assert!(last.contains(&format!("The server (pid {}) exited.", serve.pid())), "{last:?}");
}

#[test]
fn keys_have_an_effect_at_once() {
    let addr = server(echo);
    let peer = TcpStream::connect(&addr).unwrap();
    let client = peer.local_addr().unwrap().to_string();
    let (mut watch, terminal) = started(&["watch", &addr], &client);

    // Down and Enter: the connection's page. Then its explanation, the help, and back.
    terminal.press("\u{1b}[B\r");
    watch.wait_until("it shows the connection", |_| terminal.shows("ESTABLISHED"));
    terminal.press("?");
    watch.wait_until("it shows the help", |_| terminal.shows("Keys and causes"));
    terminal.press("\u{1b}");
    terminal.press(" ");
    watch.wait_until("it is frozen", |_| terminal.shows("frozen at"));
    terminal.press("q");

    assert_eq!(watch.end("watch").code(), Some(0));
    restored(terminal, "keys");
}

#[test]
fn a_recording_is_saved_by_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let addr = server(echo);
    let terminal = Terminal::open();
    let mut command = command(&["watch", &addr]);
    command.current_dir(folder.path());
    terminal.control(&mut command);
    let mut watch = Running(command.spawn().unwrap());
    drop(command);
    watch.wait_until("it takes keys", |_| terminal.delivers_keys_at_once());
    watch.wait_until("it shows connections", |_| terminal.shows("connections"));

    terminal.press("s");
    watch.wait_until("it names the file", |_| terminal.shows("saved echoctl-watch-"));
    terminal.press("q");

    assert_eq!(watch.end("watch").code(), Some(0));
    restored(terminal, "save");
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let report = crate::running::command(&["report", file.to_str().unwrap()]).output().unwrap();
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
}

#[test]
fn the_screen_follows_the_size_of_the_terminal() {
    let (mut watch, terminal) = started(&["watch", &server(echo)], "connections");
    let keys = "freeze";
    watch.wait_until("it shows keys", |_| terminal.shows(keys));

    terminal.resize(1, 1);
    watch.wait_until("it clears the screen again", |_| terminal.text().matches(CLEAR).count() >= 2);
    let before = terminal.text().matches(keys).count();
    terminal.resize(90, 30);
    watch.wait_until("it draws the keys again", |_| terminal.text().matches(keys).count() > before);
    terminal.press("q");

    assert_eq!(watch.end("watch").code(), Some(0));
    restored(terminal, "resized");
}

#[test]
fn a_stopped_terminal_does_not_stop_sampling() {
    let (mut watch, terminal) = started(&["watch", &server(echo)], "connections");

    // Ctrl-S, and what the terminal had accepted before.
    terminal.press("\u{13}");
    let before = reads(watch.pid());
    watch.wait_until("it has looked several times", |pid| reads(pid) > before + 100);
    terminal.press("\u{11}q");

    assert_eq!(watch.end("watch").code(), Some(0));
    restored(terminal, "Ctrl-S");
}

#[test]
fn ctrl_c_ends_a_watch_on_a_stopped_terminal() {
    let (mut watch, terminal) = started(&["watch", &server(echo)], "connections");

    terminal.press("\u{13}");
    let before = reads(watch.pid());
    watch.wait_until("it goes on", |pid| reads(pid) > before + 20);
    terminal.press("\u{3}");

    assert_eq!(watch.end("watch").code(), Some(130));
    assert!(!terminal.delivers_keys_at_once());
}

#[test]
fn a_watch_that_was_stopped_takes_the_terminal_again() {
    let terminal = Terminal::open();
    let mut command = command(&["watch", &server(echo)]);
    // In a process group of its own whose parent is in another group of the session, since the kernel does not stop an orphaned
    // group. The terminal does not control it.
    command.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio()).process_group(0);
    let mut watch = Running(command.spawn().unwrap());
    drop(command);
    watch.wait_until("it catches signals", catches_interrupts);
    watch.wait_until("it takes keys", |_| terminal.delivers_keys_at_once());
    watch.wait_until("it draws", |_| terminal.shows("connections"));

    watch.signal("TSTP");
    watch.wait_until("it is suspended", is_suspended);
    assert!(!terminal.delivers_keys_at_once());
    watch.wait_until("it has left its screen", |_| {
        terminal.text().rfind(LEAVE) > terminal.text().rfind(ENTER)
    });
    let drawn = terminal.text().matches("connections").count();

    watch.signal("CONT");
    watch.wait_until("it takes keys again", |_| terminal.delivers_keys_at_once());
    watch.wait_until("it draws all again", |_| terminal.text().matches("connections").count() > drawn);
    terminal.press("q");
    assert_eq!(watch.end("watch").code(), Some(0));
    restored(terminal, "suspended");
}

#[test]
fn q_quits_flood_and_serve() {
    let flood = server(echo);
    let views = [
        (vec!["flood", &flood, "--rate", "1MiB", "--for", "10m"], "q quits", 130, "were sent and"),
        (vec!["serve", "--addr", "127.0.0.1:0"], "q quits", 0, "served 0 connections"),
    ];
    for (words, hint, code, result) in views {
        let (mut running, terminal) = started(&words, hint);

        // In the first one nothing may have been sent yet.
        running.wait_until("it draws three frames", |_| terminal.text().matches(hint).count() >= 3);
        // Other keys do nothing.
        terminal.press("x\r q");

        assert_eq!(running.end(words[0]).code(), Some(code), "{words:?}");
        let last = restored(terminal, words[0]);
        assert!(last.contains(result), "{last:?}");
    }
}

#[test]
fn a_key_of_serve_changes_the_policy_of_open_connections() {
    let options = ["--backpressure", "bounded", "--queue-limit", "64KiB", "--memory-limit", "256MiB"];
    let words = [&["serve", "--addr", "127.0.0.1:0"], &options[..]].concat();
    let (mut serve, terminal) = started(&words, "q quits  1 await  2 off *3 bounded  4");
    let mut peer = TcpStream::connect(listening_on(&terminal)).unwrap();
    // More than all kernels buffer: as long as the policy is bounded it never ends, since nothing is read back.
    let flood = thread::spawn(move || peer.write_all(&[b'\n'; 32 << 20]).map(|()| peer));
    serve.wait_until("replies are pending", |_| terminal.shows("1 conn"));

    terminal.press("2");

    serve.wait_until("it names the change", |_| terminal.shows("policy changed from bounded to off\r\n"));
    serve.wait_until("it marks the policy", |_| terminal.shows("1 await *2 off  3 bounded"));
    let peer = flood.join().unwrap().unwrap();
    // The same again and other keys do nothing.
    terminal.press("2x\r06");
    let reset = "policy changed from off to disconnect, queue limit 64 KiB\r\n";
    serve.wait_until("it names the change", |_| terminal.shows(reset));
    serve.wait_until("the peer is reset", |_| terminal.shows("reply queue over its limit of 64 KiB"));
    drop(peer);
    terminal.press("q");

    assert_eq!(serve.end("serve").code(), Some(0));
    let shown = restored(terminal, "serve");
    assert_eq!(shown.matches("policy changed").count(), 2, "{shown:?}");
}

#[test]
fn a_change_by_a_key_is_an_event() {
    let words =
        ["serve", "--addr", "127.0.0.1:0", "--json", "--resume-at", "1KiB", "--backpressure", "watermark"];
    let (mut serve, terminal) = started(&words, "listening");

    terminal.press("6");
    serve.wait_until("it reports the change", |_| terminal.shows("disconnect"));
    terminal.press("4");
    serve.wait_until("it reports the change", |_| terminal.text().matches("\"policy\"").count() == 2);
    terminal.press("q");

    assert_eq!(serve.end("serve").code(), Some(0));
    let events = events(restored(terminal, "serve --json").as_bytes());
    let valid = |event| conforms(event, &schema("serve")).unwrap_or_else(|error| panic!("{error}: {event}"));
    events.iter().for_each(valid);
    let [_, first, second, ..] = &events[..] else { panic!("{events:?}") };
    let what = |event: &Value| ["backpressure", "was", "grace", "resume_at"].map(|name| event[name].clone());
    assert_eq!(what(first), ["disconnect".into(), "watermark".into(), 0.0.into(), Value::Null]);
    assert_eq!(what(second), ["watermark".into(), "disconnect".into(), Value::Null, 1024.into()]);
}

#[test]
fn an_option_of_a_policy_that_a_key_chooses_is_used() {
    let words =
        ["serve", "--addr", "127.0.0.1:0", "--queue-limit", "64KiB", "--resume-at", "1KiB", "--grace", "1m"];
    let (mut serve, terminal) = started(&words, "q quits *1 await");

    terminal.press("6");
    serve.wait_until("its limit", |_| terminal.shows("from await to disconnect, queue limit 64 KiB\r\n"));
    terminal.press("q");

    assert_eq!(serve.end("serve").code(), Some(0));
    restored(terminal, "serve");
}

#[test]
fn an_option_that_no_key_can_use_is_refused() {
    for (options, why) in [
        (&["--queue-limit", "64KiB", "--io", "threads"][..], "--queue-limit has no effect"),
        (&["--queue-limit", "64KiB", "--resume-at", "65KiB"], "invalid value for --resume-at"),
    ] {
        let terminal = Terminal::open();
        let mut serve = command(&[&["serve", "--addr", "127.0.0.1:0"], options].concat());
        terminal.control(&mut serve);
        let mut running = Running(serve.spawn().unwrap());
        drop(serve);

        assert_eq!(running.end(why).code(), Some(2), "{options:?}");
        let shown = terminal.close();
        assert!(shown.contains(why), "{shown:?}");
    }
}

#[test]
fn a_server_without_a_choice_of_policies_names_none() {
    for (options, keys) in [
        (&["--io", "threads"][..], "q quits\u{1b}"),
        (&["--framing", "raw"], "q quits *1 await  2 off  3 bounded  4 watermark  6 disconnect  7 budget"),
    ] {
        let words = [&["serve", "--addr", "127.0.0.1:0"], options].concat();
        let (mut serve, terminal) = started(&words, keys);

        terminal.press("5q");

        assert_eq!(serve.end("serve").code(), Some(0));
        let shown = restored(terminal, "serve");
        assert!(!shown.contains("policy changed"), "{shown:?}");
    }
}

/// Where a server on this terminal says that it listens.
fn listening_on(terminal: &Terminal) -> String {
    let shown = terminal.text();
    let addr = shown.split_once("listening on ").and_then(|(_, rest)| rest.split_once(' '));
    addr.unwrap_or_else(|| panic!("{shown:?}")).0.to_owned()
}

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const CLEAR: &str = "\u{1b}[2J";
