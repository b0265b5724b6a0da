//! Runs the same work against a server without backpressure and one with it, side by side.
//!
//! ```text
//!            0 s               3 s                    8 s
//! clients    | read the replies | do not read          | read again, until all is back |
//! producers  | send at the rate, without waiting for the readers | send the rest       |
//! ```
//!
//! Both sides send and receive the same total, so they differ only in memory. The servers are two processes of their own
//! ([`ChildServer`](echoctl_trial::ChildServer)). Their figures come from the kernel ([`Sampler`](echoctl_observe::Sampler)), not
//! from the servers themselves.
//!
//! [`run`] runs it and passes each moment to its caller; [`story`] has the texts; [`page()`] makes the report.

mod chart;
mod outcome;
mod page;
mod picture;
mod plan;
mod side;
pub mod story;
#[cfg(test)]
mod tests;

pub use chart::{memory as memory_chart, where_the_bytes_were};
pub use outcome::{Outcome, SideOutcome, in_kernel};
pub use page::page;
pub use picture::{LINES, Picture, line};
pub use plan::{Phase, Plan};
pub use side::Side;

use std::path::Path;
use std::time::{Duration, Instant};

use echoctl_observe::machine;
use echoctl_record::Sample;
use tokio::time::MissedTickBehavior;

use crate::Error;
use side::Ready;

/// Both sides at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Seconds since the producers started.
    pub t: f64,
    /// What the clients are doing.
    pub phase: Phase,
    /// The side without backpressure.
    pub off: Sample,
    /// The side with backpressure.
    pub on: Sample,
}

/// Runs the demo with two servers started from `program` (the path of `echoctl`), and calls `show` 20 times per second.
///
/// # Errors
/// When a server cannot be started or exits during the run, a client cannot connect or be measured, or the run takes longer
/// than 30 s. A run that does not show the claim is not an error: see [`Outcome::problems`].
pub async fn run(plan: Plan, program: &Path, mut show: impl FnMut(&Moment)) -> Result<Outcome, Error> {
    let off = Ready::new(Side::Off, &plan, program).await?;
    let on = Ready::new(Side::On, &plan, program).await?;
    let begin = Instant::now();
    let (mut off, mut on) = (off.go()?, on.go()?);

    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended: Option<Instant> = None;
    // Sampling continues for a moment after the last byte, to record whether the servers return their memory.
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
    let limits = machine().socket_limits();
    Ok(Outcome { plan, limits, off: off.finish()?, on: on.finish()? })
}

/// Time limit of a run, which takes 9 s on a laptop: a machine that needs longer is too busy for reliable figures.
const MAX_DURATION: Duration = Duration::from_secs(30);

/// Time between two samples: 20 per second are promised for the JSON output, and enough for a smooth live view.
const TICK: Duration = Duration::from_millis(50);

/// Long enough to record the server returning freed memory (after half a second without work), and short enough not to
/// delay the result noticeably.
const SETTLE_TIME: Duration = Duration::from_secs(1);
