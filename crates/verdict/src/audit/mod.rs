//! Judges a server by what an attack on it recorded.
//!
//! ```text
//! the server crashed                                        crashes
//! it ran out of memory                                      unbounded
//! it closed the connection        under pressure: disconnects    before, of readers too, or after a budget in memory: inconclusive
//! nothing moved for 3.5 s         memory flat: bounded      memory rising: unbounded
//!   … because its kernel accepts no more, or the windows of its protocol are used up
//! it accepted everything …
//!   … and it was drained          unbounded                 from disk: spills
//!   … and it was not drained      memory flat: discards     memory rising: unbounded
//! beside it                       healthy clients not served: starves    a wrong echo: corrupts    files growing: spills
//! ```
//!
//! `signals.rs` has the figures that evidence shows at its end, and `conditions/` what they mean, each as one question. `table.rs`
//! is the rule: the first line whose condition holds gives the main cause, and what holds beside it may be worse. `cause.rs` says
//! which verdict and which advice follow from a cause, `reason.rs` puts it into a sentence. `steering.rs` decides during an attack
//! how it goes on.
//!
//! The mistake that must not happen is calling a harmful server safe. Therefore each safe verdict has conditions of its own: the
//! slow reader is what held the server back, an unbounded one would have shown by now, and it goes on once it is read. Where they
//! are not all met the verdict is `inconclusive`, with the reason. Sizes decide nothing on their own: hundreds of MiB can be a
//! limit, and 20 can be a young leak.

mod cause;
mod conditions;
mod figures;
mod limits;
mod reason;
mod signals;
mod steering;
mod table;

use std::iter;

use echoctl_record::{Evidence, Verdict};

use crate::Judgement;
pub use cause::Cause;
pub use figures::{Figures, expected_echo, figures};
use signals::Signals;
pub use steering::{
    allowance, depends_on_background, depends_on_drain, enough_drained, in_kernels, is_enough, is_stalled,
    memory_cap, proves_queue_above, wants_second_pass, was_refused,
};

/// The verdict that follows from the evidence: the worst that holds.
pub fn judge(evidence: &Evidence) -> Judgement<Cause> {
    let signals = Signals::of(evidence);
    let verdict_of = |cause: Cause| cause.conclusion(&signals).0;
    let severity = |cause: &Cause| Verdict::UNSAFE.iter().position(|harmful| *harmful == verdict_of(*cause));
    let main = table::classify(&signals);
    let all = iter::once(main).chain(table::beside(&signals));
    let mut harmful: Vec<Cause> = all.filter(|cause| severity(cause).is_some()).collect();
    // Of two causes of the same verdict the main one, which is first, is reported.
    harmful.sort_by_key(severity);
    let cause = harmful.first().copied().unwrap_or(main);
    let mut findings: Vec<Verdict> = harmful.into_iter().map(verdict_of).collect();
    findings.dedup();
    let (verdict, advice) = cause.conclusion(&signals);
    Judgement { verdict, findings, cause, reason: reason::reason(cause, &signals), advice }
}

#[cfg(test)]
mod tests;
