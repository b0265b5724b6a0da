//! The demo: the same work against a server without backpressure and one with it, side by side.
//!
//! ```text
//!            0 s               3 s                    8 s
//! clients    | read the replies | do not read          | read again, until all is back |
//! producers  | send at the rate, never waiting for the readers | send the rest          |
//! ```
//!
//! Both sides send and get back the same total, so that memory is the one thing in which they differ. The servers are
//! two processes of their own ([`ChildServer`](crate::ChildServer)); what is shown of them is what the kernel says ([`Sampler`](echoctl_observe::Sampler)), not what
//! they say of themselves.
//!
//! [`run`] does it and hands each moment to its caller; [`story`] has the words; [`page()`] makes the report.

mod chart;
mod judge;
mod outcome;
mod page;
mod plan;
mod side;
pub mod story;

pub use chart::{memory as memory_chart, where_the_bytes_were};
pub use outcome::{Outcome, SideOutcome, in_kernel};
pub use page::page;
pub use plan::{Phase, Plan};
pub use side::Side;

use std::path::Path;
use std::time::{Duration, Instant};

use echoctl_record::Sample;
use tokio::time::MissedTickBehavior;

use crate::Error;
use side::Ready;

/// Where both sides are at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Seconds since the producers began.
    pub t: f64,
    /// What the clients do now.
    pub phase: Phase,
    /// The side without backpressure.
    pub off: Sample,
    /// The side with it.
    pub on: Sample,
}

/// Runs the demo with two servers started from `program` (the path of `echoctl`), and calls `show` twenty times a second.
///
/// # Errors
/// When a server cannot be started or ends in the middle, a client cannot connect or be measured, or the run is not over
/// after 30 s. What the run itself shows, good or bad, is
/// in the [`Outcome`].
pub async fn run(plan: Plan, program: &Path, mut show: impl FnMut(&Moment)) -> Result<Outcome, Error> {
    let off = Ready::new(Side::Off, &plan, program).await?;
    let on = Ready::new(Side::On, &plan, program).await?;
    let begin = Instant::now();
    let (mut off, mut on) = (off.go()?, on.go()?);

    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended: Option<Instant> = None;
    // Sampling goes on for a moment after the last byte, to see what the servers do with their memory.
    while ended.is_none_or(|ended| ended.elapsed() < SETTLE_TIME) {
        ticks.tick().await;
        let t = begin.elapsed().as_secs_f64();
        let done = off.is_done()? & on.is_done()?;
        if !done && begin.elapsed() > MAX_DURATION {
            return Err(Error::Stalled { seconds: MAX_DURATION.as_secs() });
        }
        let phase = plan.phase(t, done);
        show(&Moment { t, phase, off: off.sample(), on: on.sample() });
        if done && ended.is_none() {
            ended = Some(Instant::now());
        }
    }
    Ok(Outcome { plan, off: off.finish().await?, on: on.finish().await? })
}

/// The longest that a run may take: one of 9 s on a laptop that needs so long is on a machine too busy to tell anything.
const MAX_DURATION: Duration = Duration::from_secs(30);

/// Twenty samples a second: the promise of the JSON output, and smooth enough for the eye.
const TICK: Duration = Duration::from_millis(50);

/// Long enough to see the freed memory leave the process (the server gives it back after half a second of quiet), and
/// short enough not to be waited for.
const SETTLE_TIME: Duration = Duration::from_secs(1);
