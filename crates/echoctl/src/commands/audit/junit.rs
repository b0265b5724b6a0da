//! JUnit XML, in which CI systems show the verdict as a test case.

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
    let outcome = if is_failed {
        let wrong =
            expected.map_or(verdict.to_string(), |expected| format!("expected {expected}, got {verdict}"));
        format!("    <failure message=\"{}\">{reason}</failure>\n", Escaped(&wrong))
    } else if is_inconclusive {
        format!("    <skipped message=\"{verdict}: {reason}\"/>\n")
    } else {
        String::new()
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
