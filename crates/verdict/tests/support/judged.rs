//! Shared by the tests of verdict and a fuzz target: judges whatever a record contains.

use echoctl_record::Run;
use echoctl_verdict::audit;

/// Judges `run`, if it has evidence. Nothing panics, and each verdict has a reason.
pub(crate) fn check(run: &Run) {
    let Some(evidence) = run.evidence() else { return };
    assert!(!audit::judge(evidence).reason.is_empty());
    let _ = (audit::figures(evidence), audit::in_kernels(evidence), audit::expected_echo(evidence));
    let _ = (audit::is_enough(evidence), audit::is_stalled(evidence), audit::allowance(evidence));
}
