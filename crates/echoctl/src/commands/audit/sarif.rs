//! SARIF 2.1.0, in which code scanning shows a verdict as an alert.
//!
//! It agrees with the exit code: an error where that is 1, a warning where it is 3. Code scanning opens an alert for each result, even for one of
//! the kind `pass`, and closes it when the next file of the same category lacks it. So an audit that passes has no result: its verdict is a
//! notification. An audit without a verdict is an execution that did not succeed.

use echoctl_record::{Class, Verdict};
use serde_json::{Value, json};

use super::args::Args;
use super::summary::Summary;
use super::{exit, remedies, source_file, words};
use crate::exit::{Exit, Failure};

/// The result as a log with one run.
pub(super) fn sarif(summary: &Summary, args: &Args) -> String {
    let verdict = summary.verdict;
    let also: String = summary.others().map(|other| format!(", also {other}")).collect();
    let expected = match &args.expect[..] {
        [] => String::new(),
        expected => format!("expected {}, got ", super::junit::either(expected)),
    };
    let text = format!("{expected}{verdict}{also}: {}: {}", words::headline(summary), summary.reason);
    let exit = exit(verdict, &args.expect);
    Log { args, stimulus: &summary.preset, exit, verdict: Some(verdict), text: &text }.json()
}

/// An audit that did not take place.
pub(super) fn sarif_of_failure(stimulus: &str, failure: &Failure, args: &Args) -> String {
    Log { args, stimulus, exit: failure.exit(), verdict: None, text: &failure.to_string() }.json()
}

/// What the log shows.
struct Log<'a> {
    args: &'a Args,
    stimulus: &'a str,
    exit: Exit,
    /// Absent where the audit did not take place.
    verdict: Option<Verdict>,
    text: &'a str,
}

impl Log<'_> {
    fn json(&self) -> String {
        let fingerprint = fingerprint(&[&self.args.target(), self.stimulus]);
        let rules: Vec<Value> = Verdict::ALL.into_iter().map(rule).collect();
        let log = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "echoctl",
                    "fullName": "echoctl audit",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "shortDescription": { "text": "Tests whether a client that does not read can exhaust a server." },
                    "rules": rules,
                } },
                // The part before the slash is the category: uploads of other audits do not replace this one.
                "automationDetails": { "id": format!("echoctl-audit-{fingerprint}/") },
                "invocations": [self.invocation()],
                "results": self.result(&fingerprint).into_iter().collect::<Vec<_>>(),
            }]
        });
        format!("{log:#}\n")
    }

    fn invocation(&self) -> Value {
        let note = json!({ "level": self.level().unwrap_or("note"), "message": message(self.text) });
        // What is a result is not repeated.
        let notes = if self.result_level().is_some() { vec![] } else { vec![note] };
        json!({
            "executionSuccessful": self.verdict.is_some(),
            "exitCode": self.exit.code(),
            "toolExecutionNotifications": notes,
        })
    }

    fn result(&self, fingerprint: &str) -> Option<Value> {
        let (verdict, level) = (self.verdict?, self.result_level()?);
        Some(json!({
            "ruleId": verdict.name(),
            "ruleIndex": Verdict::ALL.iter().position(|&other| other == verdict),
            "level": level,
            "message": message(self.text),
            // Code scanning accepts no result without a file and a line.
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": source_file::uri(self.args) },
                "region": { "startLine": 1 },
            } }],
            // Otherwise audits of one file would be one alert.
            "partialFingerprints": { "primaryLocationLineHash": format!("{fingerprint}:1") },
        }))
    }

    fn result_level(&self) -> Option<&'static str> {
        self.level().filter(|_| self.verdict.is_some())
    }

    /// The level that agrees with the exit code; none if the audit passes.
    fn level(&self) -> Option<&'static str> {
        match self.exit {
            Exit::Done => None,
            Exit::Inconclusive => Some("warning"),
            _ => Some("error"),
        }
    }
}

/// A verdict as a rule that results refer to.
fn rule(verdict: Verdict) -> Value {
    let remedies = remedies::of(verdict);
    let help: String = remedies.iter().map(|(name, text)| format!("{name}: {text}.\n")).collect();
    let listed: String = remedies.iter().map(|(name, text)| format!("- **{name}**: {text}.\n")).collect();
    let (help, listed) = match (verdict.class(), remedies) {
        (_, [_, ..]) => (help, listed),
        (Class::Unknown, []) => (TRY_AGAIN.to_owned(), TRY_AGAIN.to_owned()),
        (_, []) => (EXPECTED.to_owned(), EXPECTED.to_owned()),
    };
    let level = match verdict.class() {
        Class::Safe => "note",
        Class::Unsafe => "error",
        Class::Unknown => "warning",
    };
    json!({
        "id": verdict.name(),
        "shortDescription": { "text": words::meaning(verdict) },
        "fullDescription": { "text": words::meaning(verdict) },
        "help": { "text": help, "markdown": listed },
        "defaultConfiguration": { "level": level },
        "properties": { "tags": ["backpressure", "reliability"] },
    })
}

/// A message in which text from outside is neither a link, a placeholder, nor a control character.
fn message(text: &str) -> Value {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '{' | '}' => plain.extend([character, character]),
            '[' | ']' | '\\' => plain.extend(['\\', character]),
            control if control.is_control() && !matches!(control, '\n' | '\t') => plain.push('\u{fffd}'),
            other => plain.push(other),
        }
    }
    json!({ "text": plain })
}

/// A hash that stays the same in every version of the program (FNV-1a), in hexadecimal.
fn fingerprint(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The help for verdicts that say nothing about the server.
const TRY_AGAIN: &str =
    "The server was not judged. The message says why; the text of the audit says what to run next.";

/// The help for safe verdicts, which are results only where another verdict is expected.
const EXPECTED: &str = "The server is safe, but this is not the verdict that --expect names.";

#[cfg(test)]
mod tests {
    use super::*;

    /// The run of the log.
    fn run(verdict: Option<Verdict>, exit: Exit, text: &str) -> Value {
        let args = Args::of(&["8080"]);
        let log = Log { args: &args, stimulus: "echo", exit, verdict, text }.json();
        serde_json::from_str::<Value>(&log).unwrap()["runs"][0].clone()
    }

    #[test]
    fn a_result_agrees_with_the_exit_code() {
        for verdict in Verdict::ALL {
            for expected in [&[][..], &[Verdict::Bounded], &[Verdict::Slow, Verdict::Spills]] {
                let exit = exit(verdict, expected);

                let run = run(Some(verdict), exit, "why");

                let level = match exit {
                    Exit::Done => Value::Null,
                    Exit::Inconclusive => "warning".into(),
                    _ => "error".into(),
                };
                let (result, invocation) = (&run["results"][0], &run["invocations"][0]);
                assert_eq!(result["level"], level, "{expected:?}: {run}");
                assert_eq!(invocation["executionSuccessful"], true);
                assert_eq!(invocation["exitCode"], exit.code());
                let rule =
                    result["ruleIndex"].as_u64().map(|at| &run["tool"]["driver"]["rules"][at as usize]);
                assert_eq!(rule.is_none(), exit == Exit::Done, "{run}");
                assert!(
                    rule.is_none_or(|rule| rule["id"] == verdict.name() && result["ruleId"] == rule["id"])
                );
            }
        }
    }

    #[test]
    fn an_audit_without_a_verdict_did_not_succeed() {
        let run = run(None, Exit::Unreachable, "cannot start 'node'\nhint: install it");

        let invocation = &run["invocations"][0];
        assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&json!(false), &json!(4)));
        let note = &invocation["toolExecutionNotifications"][0];
        assert_eq!(note["level"], "error");
        assert_eq!(note["message"]["text"], "cannot start 'node'\nhint: install it");
        assert_eq!(run["results"], json!([]));
    }

    #[test]
    fn text_from_outside_is_only_text() {
        let text = message("[a](https://example.org) {0} \\ \u{1b}[31m\n")["text"].clone();

        assert_eq!(text, "\\[a\\](https://example.org) {{0}} \\\\ \u{fffd}\\[31m\n");
    }

    #[test]
    fn each_audit_has_a_fingerprint_that_stays() {
        assert_eq!(fingerprint(&["node server.js", "echo"]), fingerprint(&["node server.js", "echo"]));
        assert_ne!(fingerprint(&["a", "bc"]), fingerprint(&["ab", "c"]));
        assert_eq!(fingerprint(&[]), "cbf29ce484222325");
    }
}
