//! JUnit XML, in which CI systems show the verdict as a test case.

use std::fmt::Write;

use echoctl_record::Verdict;
use echoctl_report::Escaped;

use super::exit;
use super::summary::Summary;
use crate::exit::Exit;

/// The result as a test suite with one test case.
pub(super) fn junit(summary: &Summary, expected: Option<Verdict>) -> String {
    let verdict = summary.verdict;
    let exit = exit(verdict, expected);
    let (is_failed, is_inconclusive) = (exit == Exit::Failed, exit == Exit::Inconclusive);
    let (failures, skipped) = (u8::from(is_failed), u8::from(is_inconclusive));
    let (time, reason) = (summary.seconds, Escaped(&summary.reason));
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuite name=\"echoctl audit\" tests=\"1\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{time:.3}\">"
    );
    let _ = writeln!(
        xml,
        "  <testcase classname=\"echoctl.audit\" name=\"{}: {}\" time=\"{time:.3}\">",
        Escaped(&summary.target),
        Escaped(&summary.preset)
    );
    if is_failed {
        let wrong =
            expected.map_or(verdict.to_string(), |expected| format!("expected {expected}, got {verdict}"));
        let _ = writeln!(xml, "    <failure message=\"{}\">{reason}</failure>", Escaped(&wrong));
    } else if is_inconclusive {
        let _ = writeln!(xml, "    <skipped message=\"{verdict}: {reason}\"/>");
    }
    let _ = writeln!(xml, "    <system-out>{verdict}: {reason}</system-out>");
    xml += "  </testcase>\n</testsuite>\n";
    xml
}
