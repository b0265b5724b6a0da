//! Promise: help, errors and reports change only on purpose. What is printed is the same in every run here; `measured.rs`
//! has the rest.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::thread;

use crate::peer::{closed_addr, server};
use crate::snapshot::mistakes::MISTAKES;
use crate::snapshot::{Folder, echoctl, transcript};

#[test]
fn help_of_the_program_and_of_each_command() {
    let mut folder = Folder::new("help");

    let mut commands = vec![String::new()];
    // Clap's own command has no options.
    commands.extend(listed(&help(&["-h"])).into_iter().filter(|name| name != "help"));
    assert!(commands.len() > 10, "{commands:?}");
    for command in &commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let name = if command.is_empty() { "echoctl" } else { command };
        for option in ["-h", "--help"] {
            folder.check(&format!("{name}{option}"), &help(&[&words[..], &[option]].concat()));
        }
    }

    folder.finish();
}

fn help(arguments: &[&str]) -> String {
    let output = echoctl(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the help of the program lists.
fn listed(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn errors_of_typical_mistakes() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("text.txt"), "hello\n").unwrap();
    fs::write(files.path().join("bad.toml"), "setup = 3\n").unwrap();
    let (_held, closed) = closed_addr();
    let taken = server(|stream| {
        // Silent, until the peer closes.
        let _ = std::io::copy(&mut &stream, &mut std::io::sink());
    });
    let places = [
        ("FOLDER", files.path().to_str().unwrap().to_owned()),
        ("CLOSED", closed),
        ("TAKEN", taken),
        ("RUN", recording("off")),
    ];
    let mut folder = Folder::new("errors");

    let transcripts: Vec<String> = thread::scope(|scope| {
        let started: Vec<_> = MISTAKES
            .chunks(MISTAKES.len().div_ceil(4))
            .map(|some| {
                let (places, files) = (&places, files.path());
                scope.spawn(move || some.iter().map(|(_, line)| mistake(line, places, files)).collect())
            })
            .collect();
        started.into_iter().flat_map(|thread| -> Vec<String> { thread.join().unwrap() }).collect()
    });
    for ((name, _), text) in MISTAKES.iter().zip(transcripts) {
        assert!(!text.contains("\nexit 0\n"), "{name} is not a mistake: {text}");
        folder.check(name, &text);
    }

    folder.finish();
}

/// Runs the program in `files`, with the names of the places replaced by the places, and in what it prints the other way.
fn mistake(line: &str, places: &[(&str, String)], files: &Path) -> String {
    let real = places.iter().fold(line.to_owned(), |line, (name, place)| line.replace(name, place));
    let words: Vec<&str> = real.split_whitespace().collect();
    let output = echoctl(&words).current_dir(files).output().unwrap();
    let text = transcript(line, &output, str::to_owned);
    let text = places.iter().fold(text, |text, (name, place)| {
        let port = place.strip_prefix("127.0.0.1:").unwrap_or("\0");
        text.replace(place, name).replace(port, &format!("{name}-PORT"))
    });
    // Where the audit has chosen one for a command.
    match text.split_once(" on port ") {
        Some((before, rest)) => {
            format!("{before} on port N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text,
    }
}

/// The path of a stored recording.
fn recording(name: &str) -> String {
    format!("{}/tests/recordings/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn reports_of_stored_recordings() {
    let mut folder = Folder::new("report");
    let (off, bounded, audit) = (recording("off"), recording("bounded"), recording("audit"));

    for (name, arguments) in [
        ("off-terminal", &["report", &off, "--plain"][..]),
        ("audit-terminal", &["report", &audit, "--plain"]),
        ("compare-terminal", &["compare", &off, &bounded, "--plain"]),
    ] {
        folder.check(name, &printed(arguments));
    }
    for (name, arguments) in [
        ("off-page", &["report", &off, "-o", "-"][..]),
        ("bounded-page", &["report", &bounded, "-o", "-"]),
        ("audit-page", &["report", &audit, "-o", "-"]),
    ] {
        folder.check(name, &page_text(&printed(arguments)));
    }
    folder.check("compare-page", &page_text(&printed(&["compare", &off, &bounded, "-o", "-"])));

    folder.finish();
}

fn printed(arguments: &[&str]) -> String {
    let output = echoctl(arguments).env("TZ", "UTC").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The text of an HTML page: without its style, one row of a table per line.
fn page_text(html: &str) -> String {
    let mut text = html.to_owned();
    for (open, close) in [("<style", "</style>"), ("<script", "</script>")] {
        while let Some((before, rest)) = text.split_once(open) {
            let after = rest.split_once(close).map_or("", |(_, after)| after);
            text = format!("{before}{after}");
        }
    }
    let text = text.replace("</td>", "\t").replace("</th>", "\t").replace("<tr", "\n<tr");
    let mut out = String::new();
    for part in text.split('<') {
        let (tag, words) = part.split_once('>').unwrap_or(("", part));
        let is_inline =
            ["td", "/td", "th", "/th", "b", "/b", "em", "/em", "code", "/code", "strong", "/strong"];
        if !is_inline.contains(&tag.split_whitespace().next().unwrap_or_default()) {
            out.push('\n');
        }
        out.push_str(words);
    }
    for (escape, character) in
        [("&#39;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
    {
        out = out.replace(escape, character);
    }
    let lines = out.lines().map(|line| line.trim().replace('\t', "  "));
    lines.filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}
