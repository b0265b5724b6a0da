//! JUnit XML, in which CI systems show the verdict as a test case.

use echoctl_record::Verdict;
use echoctl_report::Escaped;

use super::exit;
use super::summary::Summary;
use crate::exit::Exit;

/// The result as a test suite with one test case.
pub(super) fn junit(summary: &Summary, expected: Option<Verdict>) -> String {
    let verdict = summary.verdict;
    let (time, reason) = (summary.seconds, Escaped(&summary.reason));
    let (failures, skipped, outcome) = match exit(verdict, expected) {
        Exit::Failed => {
            let wrong = expected
                .map_or(verdict.to_string(), |expected| format!("expected {expected}, got {verdict}"));
            (1, 0, format!("    <failure message=\"{}\">{reason}</failure>\n", Escaped(&wrong)))
        }
        Exit::Inconclusive => (0, 1, format!("    <skipped message=\"{verdict}: {reason}\"/>\n")),
        _ => (0, 0, String::new()),
    };
    let (target, preset) = (Escaped(&summary.target), Escaped(&summary.preset));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"echoctl audit\" tests=\"1\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{time:.3}\">\n  \
         <testcase classname=\"echoctl.audit\" name=\"{target}: {preset}\" time=\"{time:.3}\">\n\
         {outcome}    <system-out>{verdict}: {reason}</system-out>\n  \
         </testcase>\n</testsuite>\n"
    )
}
