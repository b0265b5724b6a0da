//! Judges a server by what an attack on it recorded.
//!
//! ```text
//! the server crashed                                        crashes
//! it closed the connection                                  disconnects
//! nothing moved for 3.5 s         memory flat: bounded      memory rising: unbounded
//! it accepted everything …
//!   … and it was drained          unbounded                 from disk: spills
//!   … and it was not drained      memory flat: discards     memory rising: unbounded
//! ```
//!
//! `signals.rs` has the figures that evidence shows at its end, and `conditions.rs` what they mean, each as one question. `table.rs`
//! is the rule: the first line whose condition holds gives the cause. `cause.rs` says which verdict and which advice follow from a
//! cause, `reason.rs` puts it into a sentence. `steering.rs` decides during an attack how it goes on.
//!
//! The mistake that must not happen is calling an unbounded server safe. Therefore each safe verdict has conditions of its own;
//! where they are not all met the verdict is `inconclusive`, with the reason. Sizes decide nothing on their own: hundreds of
//! MiB can be a limit, and 20 can be a young leak.

mod cause;
mod conditions;
mod figures;
mod limits;
mod reason;
mod signals;
mod steering;
mod table;

use echoctl_record::Evidence;

use crate::Judgement;
use crate::judgement::only;
pub use cause::Cause;
pub use figures::{Figures, expected_echo, figures};
use signals::Signals;
pub use steering::{
    allowance, depends_on_drain, in_kernels, is_enough, is_stalled, memory_cap, proves_queue_above,
    wants_second_pass, was_refused,
};

/// The verdict that follows from the evidence.
pub fn judge(evidence: &Evidence) -> Judgement<Cause> {
    let signals = Signals::of(evidence);
    let cause = table::classify(&signals);
    let (verdict, advice) = cause.conclusion(&signals);
    Judgement { verdict, findings: only(verdict), cause, reason: reason::reason(cause, &signals), advice }
}

#[cfg(test)]
mod tests;
