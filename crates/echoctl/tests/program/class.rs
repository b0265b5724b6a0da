//! Promise: `echoctl class` shows truly whose bytes pile up where, and switches the server while all students are connected.
#![cfg(target_os = "linux")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use echoctl_record::{ClassLog, ClassPoint, ClassState, Machine, Mark, Run};
use echoctl_testkit::{Running, eventually, is_suspended};
use serde_json::{Value, json};

use crate::classroom::{Class, row};
use crate::peer::{echoctl, text};
use crate::schema::{conforms, schema};

const MIB: u64 = 1 << 20;

/// Sends this many bytes in lines, and reads none.
fn send(mut stream: &TcpStream, bytes: u64) {
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    for _ in 0..bytes / 1024 {
        stream.write_all(&line).unwrap();
    }
}

/// Sends until the server has not read for a while, and returns the number of bytes.
fn send_until_held_back(mut stream: &TcpStream) -> u64 {
    let block = [[b'x'; 1023].as_slice(), b"\n"].concat().repeat(64);
    stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    loop {
        match stream.write(&block) {
            Ok(bytes) => sent += bytes as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 256 * MIB, "nothing holds it back");
    }
}

fn bytes(row: &Value, queue: &str) -> u64 {
    row[queue].as_u64().unwrap_or_else(|| panic!("{queue} is visible here: {row}"))
}

fn anonymous_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_class_of_thirty_shows_who_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("class.json");
    let class = Class::start(&["--record", file.to_str().unwrap()]);
    let names: Vec<String> = (0..30).map(|number| format!("student {number}")).collect();
    let students: Vec<TcpStream> = names.iter().map(|name| class.join(name)).collect();
    let stalled = &names[..3];

    students[..3].iter().for_each(|student| send(student, 12 * MIB));
    let state = class.state("three do not read", |state| {
        state["connections"] == 30
            && state["stalled"] == 3
            && stalled
                .iter()
                .all(|name| row(state, name).is_some_and(|row| row["cause"] == "client_does_not_read"))
    });
    let worst: Vec<&Value> = state["rows"].as_array().unwrap().iter().take(3).collect();
    assert!(worst.iter().all(|row| stalled.iter().any(|name| row["name"] == *name)), "{worst:?}");
    for row in worst {
        let queues = ["client_send", "server_receive", "inside", "server_send", "client_receive"];
        let held: u64 = queues.iter().map(|queue| bytes(row, queue)).sum();
        // A queue inside the server is counted in segments.
        assert!((12 * MIB..12 * MIB + 512 * 1024).contains(&held), "{row}");
        assert_eq!(row["held"], held);
        assert!(bytes(row, "inside") > MIB, "the kernels do not hold 12 MiB: {row}");
    }
    let sentence = state["sentence"].as_str().unwrap();
    assert!(sentence.contains("student") && sentence.contains("in memory"), "{sentence}");
    let (shown, real) = (state["memory"].as_u64().unwrap(), anonymous_memory(class.running.pid()));
    assert!(shown.abs_diff(real) < 4 * MIB, "{shown} is shown of {real}");
    assert!(shown > state["buffered"].as_u64().unwrap(), "{state:#}");

    class.switch(&json!({ "command": "set_policy", "name": "await" }));
    let before = class.state("await", |state| state["policy"] == "await");
    let inside = bytes(row(&before, &names[0]).unwrap(), "inside");
    assert!(send_until_held_back(&students[0]) < 64 * MIB, "the kernels do not hold that much");
    let held_back = class.state("the server does not read", |state| {
        state["sentence"].as_str().unwrap().starts_with("Backpressure: ")
            && row(state, &names[0]).is_some_and(|row| bytes(row, "client_send") > 0)
    });
    assert_eq!(bytes(row(&held_back, &names[0]).unwrap(), "inside"), inside, "it reads no more");

    class.switch(&json!({ "command": "set_policy", "name": "off" }));
    class.state("the server reads again", |state| {
        row(state, &names[0]).is_some_and(|row| bytes(row, "inside") > inside && row["server_receive"] == 0)
    });
    drop(students);
    class.state("all have left", |state| state["connections"] == 0);
    let (code, rest) = class.end();
    assert_eq!(code, Some(0));
    let summary = rest.last().unwrap();
    assert_eq!((&summary["event"], &summary["accepted"]), (&json!("summary"), &json!(30)));
    let longest = summary["longest_stall"]["client"].as_str().unwrap();
    assert!(stalled.iter().any(|name| name == longest), "{summary}");
    let policies: Vec<&Value> =
        summary["policies"].as_array().unwrap().iter().map(|p| &p["policy"]).collect();
    assert_eq!(policies, ["off", "await"]);

    let run = Run::read(&std::fs::read(&file).unwrap()).unwrap();
    let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(conforms(&json, &schema("run")), Ok(()));
    let marks: Vec<String> = run.class.unwrap().marks.into_iter().map(|mark| mark.label).collect();
    assert_eq!(marks, ["off", "await", "off"]);
    let report = echoctl(&["report", file.to_str().unwrap(), "--plain"]).output().unwrap();
    let drawn = text(&report.stdout);
    assert!(
        report.status.success() && drawn.contains("What was changed") && drawn.contains("await"),
        "{drawn}"
    );
}

#[test]
fn every_event_conforms_to_the_schema() {
    let class =
        Class::start(&["--backpressure", "disconnect", "--queue-limit", "64KiB", "--write-timeout", "1h"]);
    let schema = schema("class");
    let student = class.join("ada");
    let state = class.state("it is named", |state| row(state, "ada").is_some());
    assert_eq!(conforms(&state, &schema), Ok(()));
    assert_eq!((&state["queue_limit"], &state["write_timeout"]), (&json!(65536), &json!(3600.0)));

    // Its queue exceeds the limit.
    let _ = (&student).write_all(&b"0123456789abcde\n".repeat(1 << 20));

    let closed = class.until("it is disconnected", |event| event["event"] == "closed");
    assert_eq!(conforms(&closed, &schema), Ok(()));
    let (code, rest) = class.end();
    assert_eq!(code, Some(0));
    for event in &rest {
        assert_eq!(conforms(event, &schema), Ok(()), "{event}");
    }
    assert!(rest.last().is_some_and(|last| last["event"] == "summary"));
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    let class = Class::start(&["--backpressure", "await"]);
    for (command, reason) in [
        (json!({ "command": "set_policy", "name": "hope" }), "no such policy"),
        (json!({ "command": "set_policy", "name": "bounded", "queue_limit": 0 }), "at least 1 byte"),
        (json!({ "command": "set_queue_limit", "bytes": 9 }), "has no limit"),
        (
            json!({ "command": "set_policy", "name": "bounded", "queue_limit": u64::MAX >> 1 }),
            "must not exceed the memory limit",
        ),
        (json!({ "command": "set_memory_limit", "bytes": 0 }), "limit"),
        (json!({ "command": "reset", "id": 77 }), "closed already"),
        (json!({ "command": "run" }), "no question"),
    ] {
        let answer = class.command(&command);
        assert!((400..500).contains(&answer.status), "{command}: {answer:?}");
        assert!(answer.body.contains(reason), "{command}: {answer:?}");
    }
    let off = json!({ "command": "set_policy", "name": "off" });
    for token in ["", "guess"] {
        assert!((400..500).contains(&class.post(token, "http://127.0.0.1", &off).status));
    }

    let state = class.state("a moment", |_| true);

    assert_eq!((&state["policy"], state["marks"].as_array().unwrap().len()), (&json!("await"), 1));
}

#[test]
fn a_limit_of_the_command_line_is_that_of_the_switch() {
    let class = Class::start(&["--backpressure", "off", "--queue-limit", "64KiB"]);
    for (policy, limit) in [("bounded", json!(65536)), ("await", Value::Null), ("drop", json!(65536))] {
        class.switch(&json!({ "command": "set_policy", "name": policy }));
        let state = class.state(policy, |state| state["policy"] == policy);
        assert_eq!(state["queue_limit"], limit, "{policy}");
        let offered = state["policies"].as_array().unwrap().iter().find(|offered| offered["name"] == policy);
        assert_eq!(offered.unwrap()["queue_limit"], limit, "{policy}");
    }

    let arguments = ["class", "--queue-limit", "64MiB", "--memory-limit", "32MiB"];
    let refused = echoctl(&arguments).output().unwrap();
    let printed = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{printed}");
    assert!(printed.contains("--queue-limit 64 MiB exceeds the memory limit, 32 MiB"), "{printed}");
}

#[test]
fn a_pause_a_limit_and_a_reset_take_effect() {
    let class = Class::start(&[]);
    let (ada, mut bob) = (class.join("ada"), class.join("bob"));

    class.switch(&json!({ "command": "pause", "paused": true }));
    (&ada).write_all(b"hello\n").unwrap();
    let paused = class.state("nothing is read", |state| {
        state["is_paused"] == true && row(state, "ada").is_some_and(|row| row["server_receive"] == 6)
    });
    assert_eq!(paused["sentence"], "Paused: the server reads from no connection, and 6 B wait for it.");
    class.switch(&json!({ "command": "pause", "paused": false }));
    (&ada).read_exact(&mut [0; 6]).unwrap();

    class.switch(&json!({ "command": "set_policy", "name": "bounded" }));
    class.switch(&json!({ "command": "set_queue_limit", "bytes": 65536 }));
    class.switch(&json!({ "command": "set_memory_limit", "bytes": 33554432 }));
    class.switch(&json!({ "command": "set_write_timeout", "seconds": 2.5 }));
    let state = class.state("bounded", |state| state["write_timeout"] == 2.5);
    assert_eq!((&state["queue_limit"], &state["memory_limit"]), (&json!(65536), &json!(33554432)));
    let labels: Vec<&Value> = state["marks"].as_array().unwrap().iter().map(|mark| &mark["label"]).collect();
    let expected = [
        "off",
        "paused",
        "resumed",
        "bounded, 1 MiB",
        "bounded, 64 KiB",
        "memory limit 32 MiB",
        "write timeout 2s 500ms",
    ];
    assert_eq!(labels, expected);

    class.switch(&json!({ "command": "set_policy", "name": "drop" }));
    class.state("drop, with the same limit", |state| {
        state["policy"] == "drop" && state["queue_limit"] == 65536
    });

    class.switch(&json!({ "command": "reset", "id": row(&state, "bob").unwrap()["id"] }));

    assert!(matches!(bob.read(&mut [0; 9]), Ok(0) | Err(_)));
    let state = class.state("bob is gone", |state| state["connections"] == 1);
    assert!(row(&state, "ada").is_some() && row(&state, "bob").is_none());
}

#[test]
fn a_suspended_curl_does_not_read() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no curl");
        return;
    }
    let class = Class::start(&["--backpressure", "await"]);
    let url = format!("telnet://{}", class.server.as_deref().unwrap());
    let join = |name: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", &url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut curl = Running::start(&mut curl);
        let (mut types, mut screen) = (curl.0.stdin.take().unwrap(), curl.0.stdout.take().unwrap());
        let line = format!("name {name}\n");
        types.write_all(line.as_bytes()).unwrap();
        screen.read_exact(&mut vec![0; line.len()]).unwrap();
        (curl, types, screen)
    };
    let stop = |curl: &Running| {
        curl.signal("STOP");
        eventually("it is suspended", || is_suspended(curl.pid()));
    };
    let ((eve, mut types, _screen), bob) = (join("eve"), join("bob"));

    // What it sent before is echoed while it is suspended. Nothing is echoed to the other one.
    class.switch(&json!({ "command": "pause", "paused": true }));
    types.write_all(b"hello\n").unwrap();
    class.state("it has sent", |state| row(state, "eve").is_some_and(|row| row["server_receive"] == 6));
    stop(&eve);
    stop(&bob.0);
    class.switch(&json!({ "command": "pause", "paused": false }));

    let state = class.state("it does not read", |state| state["stalled"] == 1);
    assert_eq!(state["sentence"], "eve does not read: the client receive queue holds 6 B.");
    assert_eq!(row(&state, "eve").unwrap()["cause"], "client_does_not_read");
    let idle =
        class.state("the other is idle", |state| row(state, "bob").is_some_and(|row| row["cause"] == "idle"));
    assert_eq!(idle["stalled"], 1, "no figure says that the other does not read");
}

#[test]
fn a_question_is_answered_by_its_lesson() {
    let class = Class::start(&[]);
    let hello = class.shown("the lessons", |data| data["setup"].is_object());
    assert_eq!(hello["setup"]["join"], json!([class.server]));

    let mut question = json!({ "command": "ask", "text": "How many reads?", "choices": ["fewer", "100"], "lesson": "stream" });
    let answer = class.command(&question);
    assert!(answer.status == 409 && answer.body.contains("must be those of the lesson"), "{answer:?}");
    question["choices"] = json!(echoctl_lab::lessons::find("stream").unwrap().question.choices);
    class.switch(&question);
    class.switch(&json!({ "command": "run" }));

    let state = class.shown("the answer", |data| data["question"]["state"] == "answered");
    assert_eq!(state["question"]["answer"], 1, "{state:#}");
    assert!(state["question"]["measured"].as_str().unwrap().contains("for 100 writes"), "{state:#}");
}

#[test]
fn a_recorded_class_is_shown_again() {
    let moment = |t: f64, sentence: &str| ClassState {
        point: ClassPoint { t, ..ClassPoint::default() },
        policy: "off".to_owned(),
        sentence: sentence.to_owned(),
        marks: vec![Mark { t: 0.0, label: "off".to_owned() }],
        ..ClassState::default()
    };
    let mut log = ClassLog::default();
    log.push(moment(5.0, "first"));
    log.push(moment(5.5, "last"));
    let mut run = Run::new("0", Vec::new(), 1, "127.0.0.1:7007".to_owned(), Machine::default());
    run.class = Some(log);
    let folder = tempfile::tempdir().unwrap();
    let [file, other] = ["class.json", "flood.json"].map(|name| folder.path().join(name));
    run.write(std::fs::File::create(&file).unwrap()).unwrap();

    let class = Class::replay(file.to_str().unwrap());

    let hello = class.shown("what is replayed", |data| data["setup"].is_object());
    assert_eq!(hello["setup"]["replay"], "class.json");
    class.shown("its end", |data| data["sentence"] == "last");
    let answer = class.command(&json!({ "command": "pause", "paused": true }));
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(class.end().0, Some(0));
    run.class = None;
    run.write(std::fs::File::create(&other).unwrap()).unwrap();
    let refused = echoctl(&["class", "--replay", other.to_str().unwrap()]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("not one of a class"), "{}", text(&refused.stderr));
}

#[test]
fn an_address_in_use_is_reported_with_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (arguments, option) in [
        (["--addr", &addr, "--page", "127.0.0.1:0"], "--addr"),
        (["--addr", "127.0.0.1:0", "--page", &addr], "--page"),
    ] {
        let output = echoctl(&[&["class"][..], &arguments].concat()).output().unwrap();

        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(
            printed.contains("in use")
                && printed.contains(&format!("hint: choose another port with {option}")),
            "{printed}"
        );
    }
}
