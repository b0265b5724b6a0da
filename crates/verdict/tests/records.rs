//! Records are judged as they were when they were made, and untrusted ones without a panic.
#![cfg(test)]

#[path = "support/judged.rs"]
mod judged;

use echoctl_record::{Ending, Evidence, Machine, Point, Run, Sample, Summary, Verdict};
use echoctl_verdict::audit;
use proptest::prelude::*;

/// What an audit of version 1 wrote with `--record`.
const AUDIT: &[u8] = include_bytes!("../../record/tests/v1/audit.json");

#[test]
fn an_audit_of_version_1_has_the_same_verdict_again() {
    let run = Run::read(AUDIT).unwrap();

    assert_eq!(audit::judge(run.evidence().unwrap()).verdict, Verdict::Unbounded);
}

#[test]
fn extreme_figures_never_cause_a_panic() {
    let most = u64::MAX;
    let sample = |t| Sample {
        t,
        connections: u32::MAX,
        produced: most,
        server_received: Some(most),
        server_read: Some(0),
        server_written: Some(most),
        client_received: Some(0),
        consumed: most,
        server_memory: Some(if t > 1.0 { most } else { 0 }),
        ..Sample::default()
    };
    let points =
        [0.0, 5e-324, 2.0, 40.0].map(|t| Point { sample: sample(t), blocked: true, ..Point::default() });
    for (repeats, echo, budget) in [(true, true, 0), (false, true, most), (true, false, most)] {
        let evidence = Evidence {
            repeats,
            echo,
            unit: most,
            budget,
            max_duration: 15.0,
            kernel_buffering: most,
            memory_limit: most,
            points: points.to_vec(),
            ..Evidence::default()
        };
        let mut run = Run::new("0.1.0", Vec::new(), 0, "127.0.0.1:7007".to_owned(), Machine::default());
        run.ending =
            Some(Ending::Audit { summary: Summary::new(run.target.clone()), evidence: Box::new(evidence) });

        let mut bytes = Vec::new();
        run.write(&mut bytes).unwrap();
        judged::check(&Run::read(bytes.as_slice()).unwrap());
    }
}

proptest! {
    #[test]
    fn changed_digits_never_cause_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"0123456789"[..])), 1..40),
    ) {
        let mut bytes = AUDIT.to_vec();
        for (at, digit) in changes {
            // The digit that is next: others would change names and make it another file.
            let at = at.index(bytes.len());
            if let Some(next) = bytes[at..].iter().position(u8::is_ascii_digit) {
                bytes[at + next] = digit;
            }
        }
        if let Ok(run) = Run::read(bytes.as_slice()) {
            judged::check(&run);
        }
    }
}
