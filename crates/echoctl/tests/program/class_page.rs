//! Promise: the class page shows, in a real browser, what the server holds and who does not read; a teacher switches the policy there, a
//! viewer votes and does not; and it says when the server is gone.
//!
//! Skipped where `chromium` or `chromedriver` is not installed.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use echoctl_observe::raise_descriptor_limit;
use echoctl_record::Bytes;
use echoctl_testkit::eventually;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::classroom::Class;

/// A name that would run a script, and one that would move the cursor and turn the text around.
const HOSTILE: [&str; 2] = ["<img src=x onerror=document.title=1>", "\u{1b}[2J\u{202e}live"];

#[test]
fn a_class_is_shown_votes_and_is_switched() {
    // One browser for all: it takes longer to start than they do, and there is one at a time.
    let Some(browser) = Browser::start() else { return };
    thirty_students_see_whose_bytes_pile_up(&browser);
    a_thousand_connections_fit_the_page(&browser);
    a_viewer_votes_and_a_teacher_switches(&browser);
}

fn thirty_students_see_whose_bytes_pile_up(browser: &Browser) {
    let class = Class::start(&["--backpressure", "off"]);
    browser.open(&class.teacher_url());
    let address = class.server.clone().unwrap();
    eventually("how to join", || {
        let join = browser.run("return document.getElementById('join').innerText");
        join.as_str().is_some_and(|join| join.contains(&format!("curl telnet://{address}"))).then_some(())
    });

    let mut students: Vec<TcpStream> = (3..30).map(|nth| class.join(&format!("student {nth}"))).collect();
    let stalled: Vec<TcpStream> = ["ada", HOSTILE[0], HOSTILE[1]].map(|name| class.join(name)).into();
    for student in &stalled {
        send(student, FIRST);
    }

    let (shown, state) = moment(&class, browser, "3 do not read", |shown| {
        shown["stalled"] == "3 of 30" && rows(shown)[..3].iter().all(does_not_read)
    });
    assert_eq!(shown["sentence"], state["sentence"]);
    assert_eq!(shown["inside"], bytes(&state["buffered"]));
    let mut names: Vec<&str> = rows(&shown)[..3].iter().map(|row| row["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, [HOSTILE[0], "[2Jlive", "ada"], "as text, whatever they contain");
    for row in rows(&shown) {
        let of_state =
            rows(&state).iter().find(|other| other["id"] == row["id"]).expect("the same connection");
        assert_eq!((&row["held"], &row["inside"]), (&bytes(&of_state["held"]), &bytes(&of_state["inside"])));
        assert_eq!(row["why"], of_state["diagnosis"]);
    }
    assert_eq!(browser.run("return document.images.length"), 0);
    // Nothing moves, so that the chart, the events and the kernel agree on the server's memory.
    let (shown, state) = moment(&class, browser, "the kernel's figure", |shown| {
        shown["memory"].as_u64().is_some_and(|memory| memory.abs_diff(anonymous(&class)) < 1 << 20)
    });
    assert_eq!(shown["label"], format!("server{}", Bytes(state["memory"].as_u64().unwrap())));

    browser.press('2');
    let (_, state) = moment(&class, browser, "await", |shown| shown["policy"] == "await");
    assert_eq!(state["policy"], "await");
    let before = state["buffered"].as_u64().unwrap();
    let senders: Vec<_> = stalled
        .iter()
        .map(|student| student.try_clone().unwrap())
        .map(|student| thread::spawn(move || send(&student, SECOND)))
        .collect();
    let (shown, state) = moment(&class, browser, "the server makes the three wait", |shown| {
        rows(shown)[..3].iter().all(|row| row["waits"] == true)
    });
    let buffered = state["buffered"].as_u64().unwrap();
    assert!(buffered <= before + (1 << 20), "it reads no more: {before} then {buffered}");
    assert_eq!(shown["inside"], bytes(&state["buffered"]));
    assert!(shown["marks"].as_array().unwrap().contains(&json!("await")), "{shown:#}");

    browser.press('1');
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let grown = before + 3 * (SECOND - KERNEL);
    let (shown, state) = moment(&class, browser, "its memory grows again", |shown| {
        shown["buffered"].as_u64().is_some_and(|buffered| buffered >= grown)
    });
    assert_eq!((&shown["policy"], &shown["inside"]), (&json!("off"), &bytes(&state["buffered"])));

    browser.reload();
    let (shown, _) = moment(&class, browser, "the history", |shown| shown["buttons"] == 5);
    assert!(shown["first"].as_f64().unwrap() < 5.0 && shown["points"].as_u64().unwrap() > 5, "{shown:#}");
    assert!(!shown["url"].as_str().unwrap().contains('#'), "the token is not in the address bar: {shown:#}");

    browser.suspend(true);
    let slept = state["t"].as_f64().unwrap() + 5.0;
    class.state("time passes", |state| state["t"].as_f64().unwrap() > slept);
    students.truncate(7);
    browser.suspend(false);
    moment(&class, browser, "it catches up", |shown| shown["stalled"] == "3 of 10");
}

fn a_thousand_connections_fit_the_page(browser: &Browser) {
    raise_descriptor_limit().unwrap();
    let class = Class::start(&["--backpressure", "off"]);
    let mut students: Vec<TcpStream> = (0..997).map(|nth| class.join(&format!("student {nth}"))).collect();
    let stalled: Vec<TcpStream> = ["ada", "bob", "eve"].map(|name| class.join(name)).into();
    stalled.iter().for_each(|student| send(student, FIRST));
    browser.open(&class.url());

    let (shown, state) = moment(&class, browser, "3 do not read", |shown| {
        shown["stalled"] == "3 of 1000" && rows(shown)[..3].iter().all(does_not_read)
    });
    assert_eq!((rows(&shown).len(), &shown["scrolls"]), (rows(&state).len(), &json!(false)), "{shown:#}");
    let more = shown["more"].as_str().unwrap();
    let hidden: usize = more.split(' ').nth(1).and_then(|number| number.parse().ok()).expect(more);
    assert!((1000 - rows(&state).len()..1000).contains(&hidden), "{more}");

    students.clear();
    moment(&class, browser, "3 are left", |shown| shown["stalled"] == "3 of 3" && shown["more"] == "");
}

fn a_viewer_votes_and_a_teacher_switches(browser: &Browser) {
    let mut class = Class::start(&["--backpressure", "off"]);
    let _never_reads = class.view();
    let viewer = browser.tab();
    browser.open(&class.url());
    let (shown, _) = moment(&class, browser, "a moment", |_| true);
    assert_eq!(
        (&shown["policy"], &shown["buttons"], &shown["controls"]),
        (&json!("off"), &json!(0), &json!(0))
    );
    browser.press('2');
    let teacher = browser.new_tab();
    browser.open(&class.teacher_url());
    moment(&class, browser, "the switch", |shown| shown["buttons"] == 5);
    browser.press('4');
    let (_, state) = moment(&class, browser, "drop", |shown| shown["policy"] == "drop");
    let marks: Vec<&Value> = state["marks"].as_array().unwrap().iter().map(|mark| &mark["label"]).collect();
    assert!(marks.len() == 2 && marks[0] == "off", "the viewer has switched nothing: {marks:?}");

    let second = browser.new_tab();
    browser.open(&class.teacher_url());
    moment(&class, browser, "the switch of another teacher", |shown| shown["buttons"] == 5);
    browser.click("#policies li:nth-child(2) button");
    moment(&class, browser, "await", |shown| shown["policy"] == "await");
    browser.go_to(&teacher);
    moment(&class, browser, "what the other teacher has switched", |shown| shown["policy"] == "await");

    browser.press('q');
    browser.fill("#a-lesson", "typed below");
    browser.fill("#a-text", "How many?");
    browser.fill("#a-choices", "none\n<b>all</b>");
    browser.click("#a-form button");
    moment(&class, browser, "the question", |shown| shown["question"] == "How many?");
    browser.go_to(&viewer);
    let (shown, _) =
        moment(&class, browser, "the choices", |shown| shown["choices"].as_array().unwrap().len() == 2);
    assert_eq!(shown["choices"], json!(["Anone", "B<b>all</b>"]));
    browser.click("#choices li:nth-child(2) button");
    let voted = json!(["Anone", "B<b>all</b>your vote"]);
    moment(&class, browser, "the vote", |shown| shown["choices"] == voted && shown["votes"] == json!([0, 1]));
    browser.reload();
    let kept = |shown: &Value| shown["choices"] == voted && shown["votes"] == json!([0, 1]);
    moment(&class, browser, "the vote, after a reload", kept);
    browser.click("#choices li:nth-child(1) button");
    moment(&class, browser, "another vote", |shown| shown["votes"] == json!([1, 0]));
    browser.go_to(&teacher);
    let (shown, _) = moment(&class, browser, "the turnout", |shown| shown["turnout"] == "1 vote");
    assert_eq!(shown["choices"], json!(["Anone", "B<b>all</b>"]), "no counts while others vote");
    browser.press('v');
    let counted = json!(["Anone1", "B<b>all</b>0"]);
    moment(&class, browser, "the counts", |shown| shown["choices"] == counted);
    browser.press('r');
    browser.fill("#w-choice", "B");
    browser.fill("#w-measured", "30 of 30");
    browser.click("#w-form button");
    browser.go_to(&viewer);
    moment(&class, browser, "the answer", |shown| {
        shown["answer"] == "B<b>all</b>0" && shown["measured"] == "30 of 30"
    });

    browser.go_to(&second);
    class.running.0.kill().unwrap();
    eventually("it says that the server is gone", || {
        let status = browser.run("const status = document.getElementById('status'); return status.hidden ? '' : status.textContent");
        status.as_str().is_some_and(|status| status.starts_with("The server is gone since "))
    });
}

/// What the page shows when this holds, and the event of the same moment: nothing is compared with another one.
fn moment(class: &Class, browser: &Browser, what: &str, is_so: impl Fn(&Value) -> bool) -> (Value, Value) {
    let newest = class.state("a moment", |_| true)["t"].as_f64().unwrap();
    let shown = eventually(what, || {
        let shown = browser.run(SHOWN);
        let is_new = shown["t"].as_f64().is_some_and(|t| t > newest);
        if is_new && is_so(&shown) { Ok(shown) } else { Err(shown.to_string()) }
    });
    let t = shown["t"].as_f64().unwrap();
    let state = class.state("the same moment", |state| (state["t"].as_f64().unwrap() - t).abs() < 1e-6);
    (shown, state)
}

/// Everything that a test compares, as the page has drawn it.
const SHOWN: &str = "
    if (typeof state === 'undefined' || state === null) return {};
    draw();
    const text = id => document.getElementById(id).textContent;
    const all = selector => [...document.querySelectorAll(selector)];
    const isSeen = node => node.checkVisibility();
    return {
        t: state.t, memory: state.memory, buffered: state.buffered, votes: state.question?.votes,
        sentence: text('sentence'), inside: text('f-inside'), stalled: text('f-stalled'), turnout: text('turnout'),
        policy: document.querySelector('#policies :is([aria-pressed=true], [aria-current=true]) span, #policies span[aria-current=true]')
            .textContent.trim(),
        buttons: all('#policies button').length, controls: all('[data-teacher], #rows button').filter(isSeen).length,
        label: all('#chart .on-server')[0]?.textContent, marks: all('#chart .label').map(node => node.textContent),
        rows: all('#rows tbody tr').map(row => ({
            id: Number(row.dataset.id), name: row.querySelector('.who').textContent, held: row.querySelector('.held').textContent,
            inside: row.querySelector('.within').textContent, why: row.querySelector('.why').textContent,
            waits: ['.q-client-send', '.q-server-receive'].every(part => parseFloat(row.querySelector(part).style.width) > 0),
        })),
        more: text('more'), scrolls: document.scrollingElement.scrollHeight > innerHeight,
        question: text('ask'), choices: all('#choices li').map(node => node.textContent),
        answer: document.querySelector('#choices .right')?.textContent, measured: text('measured'),
        points: points.length, first: points[0].t, url: location.href,
    }";

fn rows(of: &Value) -> &[Value] {
    of["rows"].as_array().map_or(&[], Vec::as_slice)
}

fn does_not_read(row: &Value) -> bool {
    row["why"].as_str().is_some_and(|why| why.starts_with("client does not read"))
}

/// As the terminal prints it.
fn bytes(value: &Value) -> Value {
    Bytes(value.as_u64().unwrap()).to_string().into()
}

/// Anonymous memory of the server, as the kernel counts it.
fn anonymous(class: &Class) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", class.running.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Sends this many bytes in lines, and reads nothing.
fn send(mut student: &TcpStream, bytes: u64) {
    let lines = [[b'x'; 1023].as_slice(), b"\n"].concat().repeat(64);
    for _ in 0..bytes / lines.len() as u64 {
        student.write_all(&lines).unwrap();
    }
}

/// More than the kernels buffer on one connection.
const FIRST: u64 = 16 << 20;
const SECOND: u64 = 24 << 20;

/// What they buffer at most: 4 MiB and 6 MiB in each direction, as Linux is configured by default.
const KERNEL: u64 = 20 << 20;
