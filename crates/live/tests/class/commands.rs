//! The teacher's commands, and hostile bytes in their place.

use std::thread;

use echoctl_live::Refusal;
use echoctl_record::{ClassCommand, ClassState};
use serde_json::json;

use crate::room::{Room, send};

#[test]
fn a_command_arrives_and_its_outcome_is_shown() {
    let mut room = Room::new();
    let outcomes = [Ok(()), Err(Refusal::new("drop needs frames: \"raw\" has none"))];
    let mut expected = vec![(200, String::new()), (409, "drop needs frames: \"raw\" has none".to_owned())];

    for outcome in outcomes {
        let request = room.command_text(r#"{"command":"set_policy","name":"drop","queue_limit":1048576}"#);
        let addr = room.addr;
        let posted = thread::spawn(move || send(addr, &request));
        let command = room.runtime.block_on(room.commands.recv()).unwrap();
        let drop = ClassCommand::SetPolicy { name: "drop".to_owned(), queue_limit: Some(1 << 20) };
        assert_eq!(command.command, drop);
        command.reply.send(outcome).unwrap();

        let reply = posted.join().unwrap();
        let error = if reply.status == 200 { String::new() } else { reply.error() };
        assert_eq!((reply.status, error), expected.remove(0));
    }
}

#[test]
fn a_command_that_nobody_takes_is_refused() {
    let mut room = Room::new();

    let request = room.command_text(r#"{"command":"pause","paused":true}"#);
    let addr = room.addr;
    let posted = thread::spawn(move || send(addr, &request));
    drop(room.runtime.block_on(room.commands.recv()).unwrap());
    let reply = posted.join().unwrap();
    assert_eq!((reply.status, reply.error()), (409, "the class has ended".to_owned()));
    room.commands.close();
    let reply = room.command(r#"{"command":"reset","id":1}"#);
    assert_eq!((reply.status, reply.error()), (409, "nothing can be switched here".to_owned()));
}

#[test]
fn all_teachers_see_what_one_of_them_switches() {
    let room = Room::new();
    let mut teachers = [room.viewer(""), room.viewer("")];

    for policy in ["off", "await"] {
        room.show(ClassState { policy: policy.to_owned(), ..ClassState::default() });
        for teacher in &mut teachers {
            teacher.state(|state| state["policy"] == policy);
        }
    }
    // The last question is the one that is asked.
    for text in ["first?", "second?"] {
        let ask = json!({ "command": "ask", "text": text, "choices": ["a", "b"] });
        assert_eq!(room.command(&ask.to_string()).status, 200);
    }
    for teacher in &mut teachers {
        teacher.state(|state| state["question"]["text"] == "second?");
    }
}

#[test]
fn what_is_no_command_is_refused_with_a_reason() {
    let room = Room::new();
    let nested = format!(r#"{{"command":"dismiss","x":{}"#, "[".repeat(16_000));
    let long_number = format!(r#"{{"command":"reset","id":{}}}"#, "9".repeat(10_000));
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"command\":\"dismiss\"",
        "{\"command\":\"dismiss\"} x",
        r#"{"command":"shutdown"}"#,
        r#"{"command":["dismiss"]}"#,
        r#"{"command":"reset","id":-1}"#,
        r#"{"command":"reset","id":1e400}"#,
        r#"{"command":"reset","id":18446744073709551616}"#,
        r#"{"command":"set_write_timeout","seconds":1e400}"#,
        r#"{"command":"set_write_timeout","seconds":NaN}"#,
        r#"{"command":"set_memory_limit","bytes":1.5}"#,
        r#"{"command":"pause","paused":"yes"}"#,
        r#"{"command":"ask","text":1,"choices":["a","b"]}"#,
        "{\"command\":\"ask\",\"text\":\"\\ud800\",\"choices\":[\"a\",\"b\"]}",
        &nested,
        &long_number,
        &"[".repeat(16_000),
    ] {
        let reply = room.command(body);
        assert_eq!(reply.status, 400, "{body:.80}: {reply:?}");
        assert!(reply.error().starts_with("not valid: ") && reply.text.len() < 1000, "{reply:?}");
    }
    for seconds in ["0", "-1", "0.05", "1e300", "86401"] {
        let reply = room.command(&format!(r#"{{"command":"set_write_timeout","seconds":{seconds}}}"#));
        assert_eq!(
            (reply.status, reply.error()),
            (409, "a write timeout is between 0.1 s and one day".to_owned())
        );
    }
    let reply = room.command(r#"{"command":"set_memory_limit","bytes":1}"#);
    assert_eq!((reply.status, reply.error()), (409, "the memory limit must be at least 1 MiB".to_owned()));
    assert_eq!(room.command("\u{feff}{}").status, 400);
}

#[test]
fn a_body_is_limited_however_it_is_sent() {
    let room = Room::new();
    let long = " ".repeat(16 << 10) + "x";
    let headers = format!(
        "Host: {addr}\r\nOrigin: http://{addr}\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n",
        addr = room.addr,
        token = room.token
    );
    let chunked = format!(
        "POST {}/command HTTP/1.1\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        room.path,
        long.len()
    );
    // Not sent: the length is enough.
    let announced =
        format!("POST {}/command HTTP/1.1\r\n{headers}Content-Length: 1099511627776\r\n\r\n", room.path);
    let contradictory = format!(
        "POST {}/command HTTP/1.1\r\n{headers}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
        room.path
    );

    assert_eq!(room.command(&long).status, 413);
    assert_eq!(room.raw(chunked.as_bytes()).status, 413);
    assert_eq!(room.raw(announced.as_bytes()).status, 413);
    assert_eq!(room.raw(contradictory.as_bytes()).status, 400);
    assert_eq!(room.command(&" ".repeat(16 << 10)).status, 400, "the longest is read");
}

#[test]
fn a_question_is_short_and_executes_nothing() {
    let room = Room::new();
    let ask = |text: &str, choices: &[&str], lesson: Option<&str>| {
        let ask = json!({ "command": "ask", "text": text, "choices": choices, "lesson": lesson });
        let reply = room.command(&ask.to_string());
        (reply.status, if reply.status == 200 { String::new() } else { reply.error() })
    };
    let (long, eight, nine) = ("x".repeat(501), ["a"; 8], ["a"; 9]);

    for (text, choices, lesson) in [
        ("", &["a", "b"][..], None),
        (" \n", &["a", "b"], None),
        ("?", &[], None),
        ("?", &["a"], None),
        ("?", &["a", ""], None),
        ("?", &nine, None),
        (&long, &["a", "b"], None),
        ("?", &["a", &long[..201]], None),
        ("?", &["a", "b"], Some("no-such-lesson")),
        ("?", &["a", "b"], Some("")),
        ("?", &["b", "a"], Some("write")),
    ] {
        assert_eq!(ask(text, choices, lesson).0, 409, "{text:.20} {choices:?} {lesson:?}");
        assert_eq!(room.questions.current(), None);
    }
    assert_eq!(ask("?", &["a", "b"], Some("write")).0, 200);
    assert_eq!(ask("?", &eight, None).0, 200);
    let markup = "</script><img src=x onerror=alert(1)>\u{202e}\u{1b}[2J\ndata: x\n\n";
    assert_eq!(ask(markup, &["\u{0}a", "b"], None).0, 200);
    // As text: whatever displays it must escape it as HTML, and nothing else.
    let state = room.viewer("").state(|state| state["question"]["id"] == 3);
    assert_eq!(state["question"]["text"], "</script><img src=x onerror=alert(1)>\u{fffd}␛[2J␊data: x");
    assert_eq!(state["question"]["choices"][0], "␀a");
}
