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
//! The mistake that must not happen is calling an unbounded server safe. Therefore each safe verdict has conditions of its own;
//! where they are not all met the verdict is `inconclusive`, with the reason. Sizes decide nothing on their own: hundreds of
//! MiB can be a limit, and 20 can be a young leak.

mod cause;
mod conditions;
mod figures;
mod limits;
mod live;
mod reason;
mod signals;
mod table;

use echoctl_record::Evidence;

use crate::Judgement;
pub use cause::Cause;
pub use figures::{Figures, expected_echo, figures};
pub use live::{
    allowance, depends_on_drain, in_kernels, is_enough, is_stalled, memory_cap, proves_queue_above,
    wants_second_pass, was_refused,
};
use signals::Signals;

/// The verdict that follows from the evidence.
pub fn judge(evidence: &Evidence) -> Judgement<Cause> {
    let signals = Signals::of(evidence);
    let cause = table::classify(&signals);
    Judgement {
        verdict: cause.verdict(),
        cause,
        reason: reason::reason(cause, &signals),
        advice: cause.advice(&signals),
    }
}

#[cfg(test)]
mod tests;
