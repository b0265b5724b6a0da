//! Promise: an audit says who else was served and whose bytes are in memory, in each of its outputs.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::peer::{echoctl, text};
use crate::schema::{conforms, schema};

const SERVER: &str = env!("CARGO_BIN_EXE_echoctl");

/// What an audit of our own server wrote.
struct Outputs {
    summary: Value,
    code: Option<i32>,
    junit: String,
    page: String,
    /// What `report` draws of the recording.
    report: String,
}

/// Audits our own server with these options.
fn audited(serve: &[&str]) -> Outputs {
    audited_command(&[&[SERVER, "serve", "--addr", "127.0.0.1:{port}"], serve].concat())
}

/// Audits a server that this command starts.
fn audited_command(command: &[&str]) -> Outputs {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (record, junit, page) = (file("run.json"), file("audit.xml"), file("audit.html"));
    let options =
        ["audit", "--json", "-n", "64MiB", "--record", &record, "--junit", &junit, "--report", &page, "--"];

    let output = echoctl(&[&options[..], command].concat()).output().unwrap();

    let printed = text(&output.stdout);
    let summary = printed.lines().last().unwrap_or_else(|| panic!("{}", text(&output.stderr)));
    let run: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!(conforms(&run, &schema("run")), Ok(()));
    Outputs {
        summary: serde_json::from_str(summary).unwrap(),
        code: output.status.code(),
        junit: std::fs::read_to_string(junit).unwrap(),
        page: std::fs::read_to_string(page).unwrap(),
        report: text(&echoctl(&["report", &record, "--plain"]).output().unwrap().stdout),
    }
}

#[test]
fn a_server_that_starves_others_is_shown_with_each_of_them() {
    let Outputs { summary, code, junit, page, report } = audited(&["--io", "one-thread"]);

    assert_eq!(conforms(&summary, &schema("audit")), Ok(()));
    assert_eq!((summary["verdict"].as_str(), code), (Some("starves"), Some(1)), "{summary}");
    assert_eq!(summary["findings"], serde_json::json!(["starves"]));
    assert_eq!(summary["bystander"], "starved");
    assert_eq!(summary["bystanders"]["newcomer"]["during"], false, "{summary}");
    assert!(junit.contains("<failure message=\"starves\">"), "{junit}");
    assert!(page.contains("Other clients") && page.contains("do not block"), "{page}");
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("Other clients:") && report.contains("no answer within"), "{report}");
}

#[test]
fn a_census_shows_whose_bytes_are_in_memory() {
    let Outputs { summary, page, report, .. } = audited(&["--backpressure", "off"]);

    let (found, read) =
        (summary["census"]["bytes"].as_u64().unwrap(), summary["server_read"].as_u64().unwrap());
    assert!(found > read / 2, "{summary}");
    assert!(summary["grown_process"].is_null(), "there is only one: {summary}");
    assert_eq!(summary["bystander"], "served");
    for drawn in [page, report] {
        let words = drawn.split_whitespace().collect::<Vec<_>>().join(" ");
        // All of them are where the server has copied some.
        let counted = ["that the server read are in its memory", "that the server read is in its memory"];
        assert!(counted.iter().any(|counted| words.contains(counted)), "{words}");
    }
}

#[test]
fn the_process_that_grew_is_named() {
    // The shell waits for the server, which is a process of its own.
    let command = format!("{SERVER} serve --addr 127.0.0.1:{{port}} --backpressure off; true");

    let Outputs { summary, page, report, .. } = audited_command(&["sh", "-c", &command]);

    assert_eq!(conforms(&summary, &schema("audit")), Ok(()));
    let grown = &summary["grown_process"];
    assert_eq!(
        (grown["name"].as_str(), grown["processes"].as_u64()),
        (Some("echoctl"), Some(2)),
        "{summary}"
    );
    assert!(grown["bytes"].as_u64().unwrap() > 16 << 20, "{summary}");
    let sentence = format!("the memory of echoctl (pid {}) grew most of 2 processes: by", grown["pid"]);
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&sentence), "{page}");
    assert!(report.contains(&sentence), "{report}");
}
