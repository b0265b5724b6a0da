//! Promise: what a server does by itself is watched before and after an attack, and is not taken for a queue.
#![cfg(target_os = "linux")]

use std::sync::atomic::AtomicBool;

use echoctl_audit::AuditConfig;
use echoctl_record::Verdict;
use echoctl_verdict::audit::Cause;

use crate::support::command::{config, start};

#[test]
fn a_cache_that_fills_meanwhile_is_no_queue() {
    let target = start(&["warming", "{port}"]);
    let config = AuditConfig { budget: 32 << 20, ..config(&target) };

    let outcome = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap();

    let background = outcome.evidence.background.expect("its memory grew, so the rest was watched");
    assert!(background.before.memory > 0 && background.after.memory > 0, "{background:?}");
    let judgement = outcome.judgement;
    assert_eq!((judgement.cause, judgement.verdict), (Cause::GrowsAnyway, Verdict::Inconclusive));
}
