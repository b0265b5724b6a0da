//! Promise: foreign text is printed as text: no command passes on control characters to a terminal.

use std::fs;
use std::path::Path;

use echoctl_record::{Ending, Machine, Run, Sample, Summary, Verdict};

use crate::peer::{echoctl, text};

/// Control characters: a title, a colour, an eight-bit CSI, a reversal of direction, and a line break.
const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J\u{202e}\necho";

/// A record with such text in each of its strings.
fn record(path: &Path) {
    let machine = Machine { system: EVIL.to_owned(), architecture: EVIL.to_owned(), ..Machine::default() };
    let mut run = Run::new(EVIL, vec![EVIL.to_owned()], 0, EVIL.to_owned(), machine);
    let sample = |t| Sample {
        t,
        produced: 5000,
        server_read: Some(4000),
        server_written: Some(3000),
        ..Sample::default()
    };
    run.samples = [0.0, 1.0, 2.0].map(sample).to_vec();
    let summary = Summary {
        verdict: Some(Verdict::Bounded),
        reason: Some(EVIL.to_owned()),
        ..Summary::new(EVIL.to_owned())
    };
    run.ending = Some(Ending::Flood { summary });
    run.write(fs::File::create(path).unwrap()).unwrap();
}

/// Everything that a command printed, checked for control characters and for lines that begin with foreign text.
fn printed(arguments: &[&str]) -> String {
    let output = echoctl(arguments).env("ECHOCTL_ADDR", EVIL).output().unwrap();
    let printed = text(&output.stdout) + &text(&output.stderr);
    for character in printed.chars() {
        let is_obeyed = character.is_control() && character != '\n';
        assert!(!is_obeyed && character != '\u{202e}', "{arguments:?}: {printed:?}");
    }
    printed
}

#[test]
fn text_in_records_is_made_printable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    record(&path);
    let path = path.to_str().unwrap();

    for arguments in [&["report", path][..], &["report", "--plain", path], &["compare", path, path]] {
        let printed = printed(arguments);

        assert!(printed.contains("]0;title") && printed.contains("bounded"), "{printed}");
        assert!(!printed.lines().any(|line| line.starts_with("echo")), "{printed}");
    }
}

#[test]
fn text_in_damaged_files_is_made_printable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(EVIL.replace('\n', "")).join("x");
    fs::create_dir(path.parent().unwrap()).unwrap();
    record(&path);
    let whole = fs::read_to_string(&path).unwrap();
    let json = serde_json::to_string(EVIL).unwrap();
    let path = path.to_str().unwrap();

    for (text, words) in [
        (whole.replace("\"bounded\"", &json), "unknown variant"),
        (whole.replace("\"echoctl run\"", &json), "its field"),
        (format!("{{{json}: 1}}"), "not an echoctl record"),
        (format!("{{\"event\":\"sample\",\"t\":{json}}}"), "invalid type"),
    ] {
        fs::write(path, text).unwrap();

        let printed = printed(&["report", path]);

        assert!(printed.contains(words), "{printed}");
        assert!(printed.lines().skip(1).all(|line| line.starts_with("  ")), "{printed}");
    }
}

#[test]
fn text_in_scripts_is_made_printable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    let key = serde_json::to_string(EVIL).unwrap();

    for script in [
        format!("{key} = 1"),
        format!("[[step]]\nsend = {key}"),
        format!("repeat = {{ hex = {key} }}"),
        EVIL.to_owned(),
    ] {
        fs::write(&path, script).unwrap();

        let printed = printed(&["audit", "127.0.0.1:1", "--script", path.to_str().unwrap()]);

        assert!(!printed.lines().any(|line| line.starts_with("echo")), "{printed}");
    }
}

#[test]
fn arguments_are_made_printable() {
    for arguments in [
        &[EVIL][..],
        &["serve", "--addr", EVIL],
        &["serve", "--framing", EVIL],
        &["serve", EVIL],
        &["flood"],
        &["flood", "--help"],
        &["flood", "--size", EVIL],
        &["send"],
        &["ping", EVIL],
        &["watch", EVIL],
        &["lesson", EVIL],
        &["lesson", "framing", "--predict", EVIL],
        &["audit", EVIL],
        &["audit", "--preset", EVIL],
        &["audit", "--expect", EVIL],
        &["audit", "--", EVIL],
        &["audit", "--junit", EVIL, "--report", EVIL],
        &["audit", "--sarif", EVIL, "--report", EVIL],
        &["report", EVIL],
        &["man", EVIL],
        &["completions", EVIL],
    ] {
        let printed = printed(arguments);

        assert!(!printed.is_empty(), "{arguments:?}");
        // Only lines of help and hints begin at the left edge.
        let forged = printed.lines().find(|line| *line == "echo" || line.starts_with("echo'"));
        assert_eq!(forged, None, "{arguments:?}: {printed}");
    }
}
