//! `echoctl lesson`: its text, JSON, page and exit codes, and the lessons that start servers of their own.

use std::process::{Command, Output};

use serde_json::Value;

use crate::schema::{conforms, schema};

fn lesson(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echoctl")).arg("lesson").args(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn summary(output: &Output) -> Value {
    let line = text(&output.stdout);
    serde_json::from_str(line.trim())
        .unwrap_or_else(|error| panic!("{error}: {line} {}", text(&output.stderr)))
}

#[test]
fn without_a_name_it_lists_each_lesson_on_one_line() {
    let output = lesson(&[]);

    let list = text(&output.stdout);
    assert!(output.status.success());
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    for name in ["stream", "half-close", "backpressure", "unbounded"] {
        assert_eq!(list.lines().filter(|line| line.starts_with(name)).count(), 1, "{name} in {list}");
    }
}

#[test]
fn the_error_for_an_unknown_lesson_lists_the_known_ones() {
    let output = lesson(&["nonsense"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("framing"));
}

#[test]
fn a_misspelt_lesson_is_guessed() {
    let output = lesson(&["rase"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("'race'"), "{}", text(&output.stderr));
}

#[test]
fn docs_lessons_has_the_question_of_stream_and_all_rows() {
    let page = include_str!("../../../../docs/lessons.md");
    let printed = text(&lesson(&["stream", "--yes"]).stdout);
    let question = printed.split("Measured on").next().expect("a first part");
    let course =
        page.split("## The course").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a part");

    assert!(page.contains(question), "the sample has another question than this: {question}");
    let ideas = page.split("## Where each idea is").nth(1).expect("a part");
    let list = text(&lesson(&[]).stdout);
    for name in list.lines().skip(2).map_while(|line| line.split_whitespace().next()) {
        for (table, part) in [("the course", course), ("where each idea is", ideas)] {
            assert!(part.contains(&format!("| `{name}` |")), "{name} is not in the table of {table}");
        }
    }
}

#[test]
fn the_json_has_prediction_name_and_measurement() {
    let summary = summary(&lesson(&["race", "--json", "--predict", "A", "--name", "Ada"]));

    assert_eq!(conforms(&summary, &schema("lesson")), Ok(()));
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["lesson"], "race");
    assert_eq!(summary["prediction"], "a");
    assert_eq!(summary["measured"], "b");
    assert_eq!(summary["name"], "Ada");
    assert_eq!(summary["holds"], true);
    assert_eq!(summary["evidence"]["order_right"], serde_json::json!([1, 2, 3, 4, 5]));
}

#[test]
fn a_prediction_that_names_no_choice_is_a_usage_error() {
    let output = lesson(&["race", "--predict", "z"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--predict") && text(&output.stderr).contains("a, b, c"));
    assert_eq!(text(&output.stdout), "", "the question was printed before the error");
}

#[test]
fn a_lesson_prints_answer_explanation_checks_and_what_next() {
    let output = lesson(&["framing", "--yes"]);

    let printed = text(&output.stdout);
    assert!(output.status.success());
    for part in ["a) ", "The answer: b)", "What it shows", "Checks", "Try next", "echoctl "] {
        assert!(printed.contains(part), "no '{part}' in {printed}");
    }
    assert!(!printed.contains('\x1b'));
}

#[test]
fn plain_output_is_ascii() {
    for name in ["buffer", "flow-control"] {
        let output = lesson(&[name, "--yes", "--plain"]);

        let printed = text(&output.stdout);
        assert!(output.status.success(), "{printed}");
        assert!(printed.is_ascii(), "{printed}");
    }
}

/// Commands to try next are exempt: a wrapped command could not be pasted.
#[cfg(unix)]
#[test]
fn text_wraps_at_words_on_a_terminal_of_60_columns() {
    for arguments in
        [&["stream", "--yes"][..], &["dns", "--yes"], &["race", "--show-code"], &["buffer", "--yes"]]
    {
        let terminal = crate::pty::Terminal::with_columns(60);
        let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
        command.arg("lesson").args(arguments).env("NO_COLOR", "1").env("TERM", "dumb");
        let status =
            command.stdout(terminal.stdio()).stderr(terminal.stdio()).status().expect("the program runs");
        drop(command);

        let printed = terminal.close();
        let text = printed.split("Try next").next().expect("a first part");
        assert!(status.success(), "{printed}");
        for line in text.lines() {
            assert!(line.trim_end().chars().count() <= 60, "{} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn show_code_prints_the_code_and_runs_nothing() {
    let output = lesson(&["race", "--show-code"]);

    let code = text(&output.stdout);
    assert!(output.status.success());
    assert!(code.contains("async fn handle(") && code.contains("The same in Node"), "{code}");
}

#[test]
fn show_code_refuses_what_would_have_no_effect() {
    for option in [["--language", "python"], ["--predict", "a"]] {
        let output = lesson(&[&["unbounded", "--show-code"][..], &option].concat());

        assert_eq!(output.status.code(), Some(2), "{option:?}");
        assert!(text(&output.stderr).contains("--show-code"), "{option:?}");
    }
}

#[test]
fn a_report_is_one_file_that_needs_no_network() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("lesson.html");

    let output =
        lesson(&["pause", "--yes", "--name", "<Ada>", "--report", file.to_str().expect("a plain path")]);

    let page = std::fs::read_to_string(&file).expect("the report was written");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(page.contains("<svg") && page.contains("&lt;Ada&gt;"));
    let references = page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
    assert_eq!(references, 0, "a reference to a network");
}

#[test]
fn sockets_shows_clients_that_are_connected_but_not_served() {
    let summary = summary(&lesson(&["sockets", "--json"]));

    assert_eq!(summary["holds"], true, "{summary:#}");
    assert!(summary["evidence"]["connected"].as_u64() > summary["evidence"]["accepted"].as_u64());
    assert_eq!(lesson(&["sockets", "--json", "--sabotage"]).status.code(), Some(1));
}

#[test]
fn backpressure_shows_that_memory_grows_only_without_it() {
    let summary = summary(&lesson(&["backpressure", "--json"]));

    assert_eq!(summary["holds"], true, "{summary:#}");
    assert_eq!(summary["evidence"]["on_verified"], summary["evidence"]["total"]);
    assert_eq!(lesson(&["backpressure", "--json", "--sabotage"]).status.code(), Some(1));
}

#[test]
fn http2_shows_memory_that_grows_behind_an_empty_socket() {
    let summary = summary(&lesson(&["http2", "--json"]));

    assert_eq!(summary["holds"], true, "{summary:#}");
    assert_eq!(summary["evidence"]["received_naive"], summary["evidence"]["window"]);
    assert_eq!(lesson(&["http2", "--json", "--sabotage"]).status.code(), Some(1));
}

#[test]
fn unbounded_finds_the_culprit_in_any_order() {
    let mut letters = Vec::new();
    // The last of the servers, and the first.
    for seed in ["3", "4"] {
        let output = lesson(&["unbounded", "--json", "--seed", seed]);
        let summary = summary(&output);
        assert_eq!(summary["holds"], true, "seed {seed}: {summary:#}");
        assert_eq!(summary["measured"], summary["evidence"]["culprit"]);
        letters.push(summary["measured"].to_string());
    }
    assert_eq!(letters, ["\"d\"", "\"a\""]);
    assert_eq!(lesson(&["unbounded", "--json", "--sabotage"]).status.code(), Some(1));
}
