//! Promise: output files are complete or unchanged, and the result is printed even if its file cannot be written.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

use echoctl_record::Run;
use echoctl_testkit::echo;

use crate::peer::{closed_addr, echoctl, server, text};

/// The arguments with `FOLDER` replaced.
fn within(folder: &Path, arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| argument.replace("FOLDER", &folder.display().to_string())).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_that_cannot_start_changes_no_file() {
    let (_held, addr) = closed_addr();
    for arguments in [
        &["flood", &addr, "--record", "FOLDER/old", "--report", "FOLDER/page"][..],
        &["audit", &addr, "--record", "FOLDER/old", "--report", "FOLDER/page"],
        &["audit", "--record", "FOLDER/old", "--", "FOLDER/no-such-program"],
        &["watch", &addr, "--record", "FOLDER/old"],
        &["report", "FOLDER/missing", "-o", "FOLDER/old"],
        &["compare", "FOLDER/missing", "FOLDER/missing", "-o", "FOLDER/old"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old"), "old").unwrap();
        let arguments = within(folder.path(), arguments);

        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = echoctl(&arguments).output().unwrap();

        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(fs::read_to_string(folder.path().join("old")).unwrap(), "old", "{arguments:?}");
        assert_eq!(names(folder.path()), ["old"], "{arguments:?}");
    }
}

#[test]
fn unwritable_files_are_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["flood", "--record", "FOLDER/missing/run.json"][..],
        &["audit", "--junit", "FOLDER/missing/x.xml", "--", "sleep", "1000"],
        &["audit", "--sarif", "FOLDER/missing/x.sarif", "--", "sleep", "1000"],
        &["demo", "--yes", "--report", "FOLDER/missing/page.html"],
        &["lesson", "framing", "--yes", "--report", "FOLDER"],
    ] {
        let arguments = within(folder.path(), arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

        let output = echoctl(&arguments).output().unwrap();

        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains("cannot write "), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_result_is_printed_if_its_file_is_not_written() {
    let addr = server(echo);
    let program = env!("CARGO_BIN_EXE_echoctl");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("run.json").display().to_string();
    for (arguments, result) in [
        (
            &["flood", &addr, "--bytes", "1MiB", "--report", "/dev/full", "--record", &other][..],
            "All 1 MiB came back",
        ),
        (
            &[
                "audit",
                "--junit",
                "/dev/full",
                "--record",
                &other,
                "--",
                program,
                "serve",
                "--addr",
                "127.0.0.1:{port}",
            ],
            "BOUNDED",
        ),
    ] {
        let output = echoctl(arguments).output().unwrap();

        let (printed, error) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{printed}{error}");
        assert!(printed.contains(result), "{printed}{error}");
        assert!(
            error.contains("cannot write /dev/full: ") && error.contains("the result above is valid"),
            "{error}"
        );
        Run::read(&fs::read(&other).unwrap()).expect("the other file is complete");
        fs::remove_file(&other).unwrap();
    }
}

#[test]
fn two_options_may_not_name_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.json"), "a record").unwrap();
    std::os::unix::fs::symlink("run.json", folder.path().join("link")).unwrap();
    for arguments in [
        &["flood", "--record", "FOLDER/x", "--report", "FOLDER/./x"][..],
        &["audit", "--junit", "FOLDER/run.json", "--report", "FOLDER/link", "--", "sleep", "1000"],
        &["audit", "--junit", "FOLDER/run.json", "--sarif", "FOLDER/link", "--", "sleep", "1000"],
        &["report", "FOLDER/run.json", "-o", "FOLDER/link"],
        &["report", "FOLDER/run.json", "--csv", "-", "--svg", "-"],
        &["compare", "FOLDER/other.json", "FOLDER/run.json", "-o", "FOLDER/run.json"],
    ] {
        let arguments = within(folder.path(), arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

        let output = echoctl(&arguments).output().unwrap();

        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("name the same file"), "{}", text(&output.stderr));
    }
    assert_eq!(fs::read_to_string(folder.path().join("run.json")).unwrap(), "a record");
}

#[test]
fn a_record_is_written_though_stdout_is_closed() {
    let addr = server(echo);
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("run.json");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);

    let status = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"))
        .args(["flood", &addr, "--bytes", "1MiB", "--record"])
        .arg(&record)
        .stdout(writer)
        .status()
        .unwrap();

    assert_eq!(status.code(), Some(0));
    assert!(Run::read(&fs::read(&record).unwrap()).unwrap().summary().is_some());
}

#[test]
fn a_file_beyond_the_size_limit_is_an_error_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let command = format!(
        "ulimit -f 0; exec '{}' lesson framing --yes --report '{}'",
        env!("CARGO_BIN_EXE_echoctl"),
        page.display()
    );

    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();

    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("page.html"), "{error}");
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

/// A record of a short run, in this folder.
fn record(folder: &Path) -> String {
    let path = folder.join("run.json").display().to_string();
    let output = echoctl(&["flood", &server(echo), "--bytes", "1MiB", "--record", &path]).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    path
}

#[test]
fn a_record_on_standard_input_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path());
    for arguments in [&["report", "-", "--csv", &path][..], &["compare", "-", &path, "-o", &path]] {
        let before = fs::read(&path).unwrap();

        let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
        let output = command.args(arguments).stdin(fs::File::open(&path).unwrap()).output().unwrap();

        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("name the same file"), "{}", text(&output.stderr));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn one_unwritable_file_does_not_affect_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (path, csv) = (record(folder.path()), folder.path().join("run.csv"));
    let arguments = ["report", &path, "-o", "/dev/full", "--plain", "--csv", &csv.display().to_string()];

    let output = echoctl(&arguments).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write /dev/full: "), "{}", text(&output.stderr));
    assert!(fs::read_to_string(&csv).unwrap().lines().count() > 1);
    assert!(!text(&output.stdout).is_empty(), "it is drawn on the terminal, too");
    let compared = echoctl(&["compare", &path, &path, "--plain", "-o", "/dev/full"]).output().unwrap();
    assert_eq!(compared.status.code(), Some(1));
    assert!(!text(&compared.stdout).is_empty());
}
