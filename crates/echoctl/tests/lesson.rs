//! `echoctl lesson`: what it prints, keeps and returns, and the lessons that start servers of their own.

mod schema;

use std::process::{Command, Output};

use schema::{conforms, schema};
use serde_json::Value;

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
fn without_a_name_the_lessons_are_listed_with_one_line_each() {
    let output = lesson(&[]);

    let list = text(&output.stdout);
    assert!(output.status.success());
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    for name in ["stream", "half-close", "backpressure", "unbounded"] {
        assert_eq!(list.lines().filter(|line| line.starts_with(name)).count(), 1, "{name} in {list}");
    }
}

#[test]
fn an_unknown_lesson_is_wrong_usage_and_the_known_ones_are_named() {
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
fn the_page_about_the_lessons_asks_as_they_do_and_has_a_row_for_each() {
    let page = include_str!("../../../docs/lessons.md");
    let told = text(&lesson(&["stream", "--yes"]).stdout);
    let asked = told.split("Measured on").next().expect("a first part");
    let course =
        page.split("## The course").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a part");

    assert!(page.contains(asked), "the sample does not ask this: {asked}");
    let list = text(&lesson(&[]).stdout);
    for name in list.lines().skip(2).map_while(|line| line.split_whitespace().next()) {
        assert!(course.contains(&format!("| `{name}` |")), "{name} is not in the table of the course");
    }
}

#[test]
fn a_prediction_and_a_name_are_kept_beside_what_was_measured() {
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
fn a_prediction_that_is_no_choice_is_refused() {
    let output = lesson(&["race", "--predict", "z"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--predict") && text(&output.stderr).contains("a, b, c"));
    assert_eq!(text(&output.stdout), "", "it was asked before it was refused");
}

#[test]
fn a_lesson_asks_answers_and_says_what_to_try_next_in_plain_text() {
    let output = lesson(&["framing", "--yes"]);

    let told = text(&output.stdout);
    assert!(output.status.success());
    for part in ["a) ", "The answer: b)", "What it shows", "Checked", "Try next", "echoctl "] {
        assert!(told.contains(part), "no '{part}' in {told}");
    }
    assert!(!told.contains('\x1b'));
}

#[test]
fn the_code_is_shown_without_running_anything() {
    let output = lesson(&["race", "--show-code"]);

    let code = text(&output.stdout);
    assert!(output.status.success());
    assert!(code.contains("async fn handle(") && code.contains("The same in Node"), "{code}");
}

#[test]
fn a_report_is_one_file_without_any_reference_to_a_network() {
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
fn sockets_shows_that_a_client_may_be_connected_and_never_served() {
    let summary = summary(&lesson(&["sockets", "--json"]));

    assert_eq!(summary["holds"], true, "{summary:#}");
    assert!(summary["evidence"]["connected"].as_u64() > summary["evidence"]["accepted"].as_u64());
    assert_eq!(lesson(&["sockets", "--json", "--sabotage"]).status.code(), Some(1));
}

#[test]
fn backpressure_shows_that_memory_grows_without_it_alone() {
    let summary = summary(&lesson(&["backpressure", "--json"]));

    assert_eq!(summary["holds"], true, "{summary:#}");
    assert_eq!(summary["evidence"]["on_verified"], summary["evidence"]["total"]);
    assert_eq!(lesson(&["backpressure", "--json", "--sabotage"]).status.code(), Some(1));
}

#[test]
fn unbounded_finds_the_culprit_wherever_it_stands() {
    let mut letters = Vec::new();
    for seed in ["1", "2", "3", "4"] {
        let output = lesson(&["unbounded", "--json", "--seed", seed]);
        let summary = summary(&output);
        assert_eq!(summary["holds"], true, "seed {seed}: {summary:#}");
        assert_eq!(summary["measured"], summary["evidence"]["culprit"]);
        letters.push(summary["measured"].to_string());
    }
    letters.dedup();
    assert!(letters.len() > 1, "the order never changes");
    assert_eq!(lesson(&["unbounded", "--json", "--sabotage"]).status.code(), Some(1));
}
