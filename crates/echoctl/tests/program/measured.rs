//! Promise: what the program prints about a measurement changes only on purpose. Figures are masked and text is laid out
//! again, so that two runs give the same text; where the text depends on what was measured, one of three runs is enough.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};
use std::thread;

use echoctl_testkit::Running;

use crate::peer::server;
use crate::snapshot::{Folder, echoctl, masked, prose, transcript};

/// A run on a busy machine may fail, or measure something that its text then explains differently.
const ATTEMPTS: usize = 3;

/// Checks what `run` returns; where it differs, two more times.
fn check(folder: &mut Folder, name: &str, first: Option<String>, run: impl Fn() -> String) {
    let mut text = first.unwrap_or_else(&run);
    for _ in 1..ATTEMPTS {
        if folder.is_new(name) || folder.is_stored(name, &text) {
            break;
        }
        text = run();
    }
    folder.check(name, &text);
}

#[test]
fn the_course_and_each_lesson() {
    let mut runs =
        (0..ATTEMPTS).map(|_| echoctl(&["lesson", "all", "--yes", "--seed", "1"]).output().unwrap());
    // A lesson that the machine is too busy for is an error.
    let complete = runs.find(|output| output.stderr.is_empty()).expect("one of the runs is complete");
    let course = String::from_utf8(complete.stdout).unwrap();
    for line in course.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    // Text has sizes in units; the exact figures are in the JSON.
    assert!(!course.split_whitespace().any(|word| is_digits(word, 6)), "{course}");

    let mut folder = Folder::new("lessons");
    let (lessons, end) = course.split_once("The course\n").unwrap();
    let lessons: Vec<&str> = lessons.split("Lesson ").skip(1).collect();
    assert!(lessons.len() > 10);
    for lesson in &lessons {
        let name = lesson.split_once(": ").unwrap().1.lines().next().unwrap();
        if lesson.contains("Not visible here: ") {
            folder.skip(name);
            continue;
        }
        check(&mut folder, name, Some(masked(&prose(&format!("Lesson {lesson}")))), || {
            let alone = echoctl(&["lesson", name, "--yes", "--seed", "1"]).output().unwrap();
            masked(&prose(&String::from_utf8(alone.stdout).unwrap()))
        });
    }
    // Of the row of a lesson, its name: what it measured is above.
    let names = |line: &str| line.split("  -  ").next().unwrap_or_default().trim_end().to_owned() + "\n";
    let end = masked(&prose(&format!("The course\n{end}"))).lines().map(names).collect::<String>();
    folder.check("course", &end);
    folder.finish();
}

fn is_digits(word: &str, many: usize) -> bool {
    let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
    word.len() >= many && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn the_small_demo_and_a_flood_of_each_verdict() {
    let mut folder = Folder::new("runs");
    thread::scope(|scope| {
        let demo = scope.spawn(demo);
        let floods = [
            ("flood-bounded", "--backpressure await", "--no-read --for 4s"),
            ("flood-unbounded", "--backpressure off", "--no-read --for 2s --rate 48MiB"),
            ("flood-disconnects", "--backpressure disconnect", "--no-read --for 4s"),
            ("flood-drops", "--backpressure drop", "--no-read --for 2s --rate 48MiB"),
            ("flood-slow", "--backpressure await", "--no-read --for 1s --rate 64KiB"),
            ("flood-inconclusive", "--backpressure await", "--no-read --for 1s"),
            ("flood-then-read", "--backpressure await", "--no-read --for 1s --then-read"),
            ("flood-slow-reader", "--backpressure off", "--read-rate 1MiB --rate 32MiB --for 2s"),
            ("flood-read-all", "--backpressure await", "--bytes 4MiB"),
        ];
        for (name, serve, options) in floods {
            check(&mut folder, name, None, || flood(serve, options, false));
        }
        check(&mut folder, "flood-crashes", None, || {
            flood("--backpressure off", "--no-read --for 60s", true)
        });
        check(&mut folder, "ping-without-reply", None, ping);
        check(&mut folder, "demo", Some(demo.join().unwrap()), self::demo);
    });
    folder.finish();
}

fn demo() -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = echoctl(&["demo", "--small", "--yes"]).current_dir(folder.path()).output().unwrap();
    printed("demo --small --yes", &output, "")
}

/// A ping to a server that reads and never replies.
fn ping() -> String {
    let addr = server(|stream| {
        let _ = std::io::copy(&mut &stream, &mut std::io::sink());
    });
    let output = echoctl(&["ping", &addr, "--count", "1", "--timeout", "200ms"]).output().unwrap();
    printed("ping ADDR --count 1 --timeout 200ms", &output, &addr)
}

/// Floods a server of ours, and perhaps kills it meanwhile: once the flood shows that the server holds something.
fn flood(serve: &str, options: &str, kills: bool) -> String {
    let arguments = format!("serve --addr 127.0.0.1:0 --json --until-stdin-ends {serve}");
    let mut serve = echoctl(&arguments.split(' ').collect::<Vec<_>>());
    let mut server = Running(serve.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
    let addr = listening["addr"].as_str().unwrap();

    let arguments = format!("flood {addr} {options}");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let mut flood = echoctl(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut live = Vec::new();
    if kills {
        let mut lines = BufReader::with_capacity(1, flood.stderr.as_mut().unwrap());
        // The second line is a second after the first one, and by then much has been sent.
        let is_second = |live: &[u8]| String::from_utf8_lossy(live).matches("in server").count() >= 2;
        while !is_second(&live) && lines.read_until(b'\n', &mut live).unwrap() > 0 {}
        server.0.kill().unwrap();
    }
    let mut output = flood.wait_with_output().unwrap();
    output.stderr.splice(0..0, live);
    printed(&format!("flood {options}"), &output, addr)
}

/// A finished run as a transcript without figures. Of the lines that were printed while it ran, the first remains.
fn printed(line: &str, output: &Output, addr: &str) -> String {
    transcript(line, output, |text| {
        let text = if addr.is_empty() { text.to_owned() } else { text.replace(addr, "ADDR") };
        let mut is_first = true;
        let lines = text.lines().filter(|line| {
            let is_live = masked(line).starts_with("  #s  ");
            !is_live || std::mem::take(&mut is_first)
        });
        masked(&prose(&lines.collect::<Vec<_>>().join("\n")))
    })
}
