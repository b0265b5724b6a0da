//! Promise: the SARIF file of an audit is valid, agrees with the exit code, and is accepted by code scanning.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::peer::{closed_addr, echoctl, text};
use crate::schema::conforms;

/// An audit with `--sarif` and these arguments, in a repository with a file `lib/server.js`: the log and the exit code.
fn audited(arguments: &[&str]) -> (Value, i32) {
    let repository = tempfile::tempdir().unwrap();
    std::fs::create_dir(repository.path().join(".git")).unwrap();
    std::fs::create_dir(repository.path().join("lib")).unwrap();
    std::fs::write(repository.path().join("lib/server.js"), "").unwrap();
    let path = repository.path().join("audit.sarif");
    let options = [&["audit", "--sarif", path.to_str().unwrap()], arguments].concat();

    let output = echoctl(&options).current_dir(repository.path()).output().unwrap();

    let log = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let log = serde_json::from_slice(&log).unwrap();
    let schema: Value = serde_json::from_str(include_str!("schema/sarif.json")).unwrap();
    assert_eq!(conforms(&log, &schema), Ok(()), "{log:#}");
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let code = output.status.code().unwrap();
    assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], code, "{log:#}");
    (log["runs"][0].clone(), code)
}

/// Our own server as the command, with a file of the repository among its words.
fn own<'a>(options: &[&'a str], policy: &'a str) -> Vec<&'a str> {
    let named = "exec \"$1\" serve --addr 127.0.0.1:$PORT --backpressure \"$2\"";
    let command = ["--", "sh", "-c", named, "lib/server.js", env!("CARGO_BIN_EXE_echoctl"), policy];
    [options, &["-n", "64MiB"], &command].concat()
}

#[test]
fn a_harmful_server_is_an_error_at_its_file() {
    let (run, code) = audited(&own(&[], "off"));

    assert_eq!(code, 1);
    let result = &run["results"][0];
    assert_eq!((&result["level"], &result["ruleId"]), (&"error".into(), &"unbounded".into()), "{result}");
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "lib/server.js");
    let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], "unbounded");
    assert!(rule["help"]["markdown"].as_str().unwrap().contains("bound the queue"), "{rule}");
}

#[test]
fn a_safe_server_has_no_result_unless_others_are_expected() {
    let (run, code) = audited(&own(&[], "await"));
    assert_eq!((&run["results"], code), (&serde_json::json!([]), 0));
    let note = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert!(note["message"]["text"].as_str().unwrap().starts_with("bounded: "), "{note}");

    let (run, code) = audited(&own(&["--expect", "disconnects"], "await"));
    assert_eq!(code, 1);
    let result = &run["results"][0];
    assert_eq!((&result["level"], &result["ruleId"]), (&"error".into(), &"bounded".into()));
    let message = result["message"]["text"].as_str().unwrap();
    assert!(message.starts_with("expected disconnects, got bounded: "), "{message}");
}

#[test]
fn a_server_that_is_not_judged_is_a_warning() {
    let addr = crate::peer::server(drop);

    let (run, code) = audited(&[&addr]);

    assert_eq!(code, 3);
    let result = &run["results"][0];
    assert_eq!((&result["level"], &result["ruleId"]), (&"warning".into(), &"inconclusive".into()));
}

#[test]
fn an_audit_that_could_not_start_did_not_succeed() {
    let (_held, addr) = closed_addr();
    for arguments in [&["--", "sh", "-c", "printf '[x](y) {0}\\033' >&2; exit 3"][..], &[&addr]] {
        let (run, code) = audited(arguments);

        assert_eq!((&run["results"], code), (&serde_json::json!([]), 4));
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        let message = invocation["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap();
        assert!(
            !message.contains("[x]") && !message.contains(" {0}") && !message.contains('\u{1b}'),
            "{message}"
        );
    }
}
