//! JUnit XML, in which CI systems show the verdict as a test case.
//!
//! It agrees with the exit code: a failure where that is 1, skipped where it is 3, and an error where there is no verdict.

use echoctl_record::Verdict;
use echoctl_report::Escaped;

use super::exit;
use super::summary::Summary;
use crate::exit::Exit;

/// The result as a test suite with one test case.
pub(super) fn junit(summary: &Summary, expected: &[Verdict]) -> String {
    let others: Vec<&str> = summary.others().map(Verdict::name).collect();
    let also = if others.is_empty() { String::new() } else { format!(" (also {})", others.join(", ")) };
    let case = Case {
        name: &format!("{}: {}", summary.target, summary.preset),
        verdict: summary.verdict,
        text: &format!("{}{also}: {}", summary.verdict, summary.reason),
        seconds: summary.seconds,
    };
    case.xml(expected)
}

/// An audit that did not take place, so that no earlier result is taken for this one.
pub(super) fn junit_of_failure(target: &str, stimulus: &str, error: &str) -> String {
    let message = error.lines().next().unwrap_or_default();
    let outcome = format!("<error message=\"{}\">{}</error>", Escaped(message), Escaped(error));
    suite(&format!("{target}: {stimulus}"), 0.0, Counts { errors: 1, ..Counts::default() }, &[outcome])
}

/// What the test case shows.
struct Case<'a> {
    name: &'a str,
    verdict: Verdict,
    text: &'a str,
    seconds: f64,
}

impl Case<'_> {
    fn xml(&self, expected: &[Verdict]) -> String {
        let verdict = self.verdict;
        let text = Escaped(self.text);
        let message = match expected {
            [] => verdict.to_string(),
            expected => format!("expected {}, got {verdict}", either(expected)),
        };
        let (counts, outcome) = match exit(verdict, expected) {
            Exit::Failed => {
                let failure = format!("<failure message=\"{message}\">{text}</failure>");
                (Counts { failures: 1, ..Counts::default() }, Some(failure))
            }
            Exit::Inconclusive => {
                (Counts { skipped: 1, ..Counts::default() }, Some(format!("<skipped message=\"{text}\"/>")))
            }
            _ => (Counts::default(), None),
        };
        let output = format!("<system-out>{text}</system-out>");
        let lines: Vec<String> = outcome.into_iter().chain([output]).collect();
        suite(self.name, self.seconds, counts, &lines)
    }
}

/// Numbers of test cases.
#[derive(Default)]
struct Counts {
    failures: u8,
    errors: u8,
    skipped: u8,
}

/// A test suite with one test case, which contains these elements.
fn suite(name: &str, seconds: f64, counts: Counts, elements: &[String]) -> String {
    let Counts { failures, errors, skipped } = counts;
    let name = Escaped(name);
    let elements: String = elements.iter().map(|element| format!("    {element}\n")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"echoctl audit\" tests=\"1\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
         time=\"{seconds:.3}\">\n  \
         <testcase classname=\"echoctl.audit\" name=\"{name}\" time=\"{seconds:.3}\">\n\
         {elements}  </testcase>\n</testsuite>\n"
    )
}

/// Names of verdicts as alternatives: `bounded, discards or slow`.
pub(super) fn either(verdicts: &[Verdict]) -> String {
    let names: Vec<&str> = verdicts.iter().map(|verdict| verdict.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(verdict: Verdict, expected: &[Verdict]) -> String {
        let text = format!("{verdict}: \"why\" & <how>");
        Case { name: "node 'a<b.js': echo", verdict, text: &text, seconds: 1.5 }.xml(expected)
    }

    #[test]
    fn a_test_case_agrees_with_the_exit_code() {
        for verdict in Verdict::ALL {
            for expected in [&[][..], &[Verdict::Bounded], &[Verdict::Slow, Verdict::Spills]] {
                let xml = xml(verdict, expected);

                let counts = match exit(verdict, expected) {
                    Exit::Failed => "failures=\"1\" errors=\"0\" skipped=\"0\"",
                    Exit::Inconclusive => "failures=\"0\" errors=\"0\" skipped=\"1\"",
                    _ => "failures=\"0\" errors=\"0\" skipped=\"0\"",
                };
                assert!(xml.contains(counts), "{expected:?}: {xml}");
                assert_eq!(xml.contains("<failure "), counts.contains("failures=\"1\""), "{xml}");
                assert_eq!(xml.contains("<skipped "), counts.contains("skipped=\"1\""), "{xml}");
            }
        }
    }

    #[test]
    fn an_audit_without_a_verdict_is_an_error() {
        let xml = junit_of_failure("node <a>", "echo", "cannot start 'node <a>'\nhint: install it");

        assert!(xml.contains("failures=\"0\" errors=\"1\" skipped=\"0\""), "{xml}");
        assert!(xml.contains("<error message=\"cannot start 'node &lt;a&gt;'\">"), "{xml}");
    }

    #[test]
    fn text_is_escaped_and_expectations_are_named() {
        let xml = xml(Verdict::Unbounded, &[Verdict::Bounded, Verdict::Discards, Verdict::Disconnects]);

        assert!(
            xml.contains("message=\"expected bounded, discards or disconnects, got unbounded\""),
            "{xml}"
        );
        assert!(xml.contains("unbounded: &quot;why&quot; &amp; &lt;how&gt;"), "{xml}");
        assert!(!xml.contains("a<b"), "{xml}");
    }
}
